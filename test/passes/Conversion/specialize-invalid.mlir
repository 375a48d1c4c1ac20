// RUN: heddle-opt %s --heddle-specialize='batch-tokens=8 prefill-tokens=4' -verify-diagnostics
// RUN: heddle-opt %s --heddle-specialize='batch-tokens=0 prefill-tokens=4' -verify-diagnostics
// RUN: heddle-opt %s --heddle-specialize='batch-tokens=-1 prefill-tokens=4' -verify-diagnostics
// RUN: heddle-opt %s --heddle-specialize='batch-tokens=8 prefill-tokens=1048577' -verify-diagnostics
// RUN: not heddle-opt %s --heddle-specialize='batch-tokens=x' 2>&1 | FileCheck %s

// CHECK: 'x' value invalid for {{.*}}argument

// expected-error-re @below {{prefill-tokens = {{4|1048577}}, limit at least batch-tokens = {{8|0|-1}}, at least 1, at most 1048576}}
module {
  func.func @forward(%tokens: tensor<?xi32>) -> tensor<?xi32> {
    return %tokens : tensor<?xi32>
  }
}
