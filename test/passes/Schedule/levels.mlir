// RUN: heddle-opt %s --heddle-from=layout --heddle-to=schedule | FileCheck %s --check-prefix=SCHEDULE
// RUN: heddle-opt %s --heddle-from=layout --heddle-to=emit | FileCheck %s

// One layout, and for each level its own schedule and its own function: the lanes and the
// instruction of the level; on the oldest no fused multiply and add and no f16.
// SCHEDULE-LABEL: @"decode.x86-64-v2"
// SCHEDULE: schedule <"matmul", {chunk_tile = 2 : i64, dot = "ssse3.pmaddubsw", lanes = 4
// SCHEDULE-LABEL: @"decode.x86-64-v3+avxvnni"
// SCHEDULE: schedule <"matmul", {chunk_tile = 2 : i64, dot = "avxvnni.vpdpbusd", lanes = 8

// CHECK-LABEL: func.func private @"k{{[0-9]+}}.linear.x86-64-v3+avxvnni"(
// CHECK-SAME: memref<[[PANELS:[0-9x]+]]xi8>
// CHECK-SAME: heddle.level = "x86-64-v3+avxvnni"
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"
// CHECK: math.fma {{.*}} : vector<8xf32>
// CHECK-LABEL: func.func private @"k{{[0-9]+}}.linear.x86-64-v2"(
// CHECK-SAME: memref<[[PANELS]]xi8>
// CHECK-SAME: heddle.level = "x86-64-v2"
// CHECK-NOT: {{math.fma|arith.extf}}
// CHECK: llvm.call_intrinsic "llvm.x86.ssse3.pmadd.ub.sw.128"
// CHECK-NOT: {{math.fma|arith.extf}}
// CHECK: arith.mulf {{.*}} : vector<4xf32>
// CHECK-NOT: {{math.fma|arith.extf}}
// CHECK: func.func @"decode.x86-64-v2"
!x = tensor<1x64xf32, #heddle.rows<i8, group = 32>>
!w = tensor<32x64xf32, #heddle.enc<i8, group = 32, scale = true>>
module attributes {heddle.target = "x86-64-v2,x86-64-v3+avxvnni", heddle.numeric = "a8"} {
  func.func @"decode.x86-64-v2"(%x: !x, %w: !w) -> tensor<1x32xf32> attributes {heddle.level = "x86-64-v2", heddle.max_tokens = 1 : i64} {
    %0 = heddle.kernel "linear" (%x, %w) : (!x, !w) -> tensor<1x32xf32> {
    ^bb0(%a: !x, %b: !w):
      %1 = heddle.linear %a, %b : !x, !w
      heddle.yield %1 : tensor<1x32xf32>
    }
    return %0 : tensor<1x32xf32>
  }
  func.func @"decode.x86-64-v3+avxvnni"(%x: !x, %w: !w) -> tensor<1x32xf32> attributes {heddle.level = "x86-64-v3+avxvnni", heddle.max_tokens = 1 : i64} {
    %0 = heddle.kernel "linear" (%x, %w) : (!x, !w) -> tensor<1x32xf32> {
    ^bb0(%a: !x, %b: !w):
      %1 = heddle.linear %a, %b : !x, !w
      heddle.yield %1 : tensor<1x32xf32>
    }
    return %0 : tensor<1x32xf32>
  }
}
