// RUN: heddle-opt %s --heddle-choose-layouts='rows=0 block=7' -verify-diagnostics
// RUN: heddle-opt %s --heddle-choose-layouts='rows=1025 block=7' -verify-diagnostics
// RUN: heddle-opt %s --heddle-choose-layouts='rows=7 block=0' -verify-diagnostics
// RUN: heddle-opt %s --heddle-choose-layouts='rows=7 block=1025' -verify-diagnostics
// RUN: not heddle-opt %s --heddle-choose-layouts='rows=x' 2>&1 | FileCheck %s

// CHECK: 'x' value invalid for {{.*}}argument

// expected-error-re @below {{rows = {{0|7|1025}}, block = {{0|7|1025}}, limit 1 to 1024}}
module {
}
