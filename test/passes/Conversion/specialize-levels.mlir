// RUN: heddle-opt %s --heddle-specialize | FileCheck %s
// RUN: sed 's/x86-64-v2,x86-64-v3+avxvnni/x86-64-v3/' %s | heddle-opt --heddle-specialize | FileCheck %s --check-prefix=ONE

// Each level has its own steps and its own layer kinds.
// CHECK-NOT: @forward
// CHECK-DAG: func.func @"decode.x86-64-v2"({{.*}}heddle.level = "x86-64-v2", heddle.max_tokens = 1
// CHECK-DAG: func.func @"batch.x86-64-v2"({{.*}}heddle.level = "x86-64-v2", heddle.max_tokens = 16
// CHECK-DAG: func.func @"prefill.x86-64-v3+avxvnni"({{.*}}heddle.level = "x86-64-v3+avxvnni", heddle.max_tokens = 256
// CHECK-DAG: func.func private @"block.decode.x86-64-v2"({{.*}}heddle.level = "x86-64-v2"
// CHECK-DAG: func.func private @"block.decode.x86-64-v3+avxvnni"({{.*}}heddle.level = "x86-64-v3+avxvnni"
// CHECK-DAG: kinds [@"block.decode.x86-64-v2"] order [0]
// CHECK-DAG: kinds [@"block.prefill.x86-64-v3+avxvnni"] order [0]

// One level: no names, no attributes of it.
// ONE-NOT: heddle.level
// ONE: func.func @decode(
// ONE-NOT: heddle.level
module attributes {heddle.target = "x86-64-v2,x86-64-v3+avxvnni"} {
  func.func private @block(%x: tensor<?x8xf32>, %slot: index) -> tensor<?x8xf32> { return %x : tensor<?x8xf32> }
  func.func @forward(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
    %y = heddle.layers (%x) shared () kinds [@block] order [0] rows [[]] : (tensor<?x8xf32>), () -> (tensor<?x8xf32>)
    return %y : tensor<?x8xf32>
  }
}
