// RUN: heddle-opt %s --heddle-set-schedules | FileCheck %s --check-prefix=DEFAULT
// RUN: heddle-opt %s --heddle-set-schedules='generic=rms_norm,linear' | FileCheck %s
// RUN: not heddle-opt %s --heddle-set-schedules='generic=glu,rms_norm' 2>&1 | FileCheck %s --check-prefix=ABSENT
// RUN: not heddle-opt %s --heddle-set-schedules='generic=rope_angles' 2>&1 | FileCheck %s --check-prefix=LOWERING

// ABSENT: generic = glu: no kernel has such an op with a lowering to linalg
// LOWERING: generic = rope_angles: no kernel has such an op with a lowering to linalg

!weight = tensor<64x8xf32, #heddle.packed<<f32>, rows = 1>>

func.func @f(%x: tensor<?x8xf32>, %v: tensor<8xf32>, %w: !weight, %p: tensor<?xi32>) {
  // DEFAULT: heddle.kernel "r"{{.*}} schedule <"rows", {lanes = 4 : i64}>
  // CHECK: heddle.kernel "r"{{.*}} schedule <"rows", {generic = ["heddle.rms_norm"], lanes = 4 : i64}>
  %0 = heddle.kernel "r" (%x, %v) : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>, %b: tensor<8xf32>):
    %1 = heddle.rms_norm %a, %b {epsilon = 1.0e-5 : f64} : tensor<?x8xf32>, tensor<8xf32>
    heddle.yield %1 : tensor<?x8xf32>
  }
  // No option is a trace of what other kernels hold.
  // CHECK: heddle.kernel "s"{{.*}} schedule <"rows", {lanes = 4 : i64}>
  %2 = heddle.kernel "s" (%p) : (tensor<?xi32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?xi32>):
    %1 = heddle.rope_angles %a {dim = 8 : i64, theta = 1.0e4 : f64} : tensor<?xi32>
    heddle.yield %1 : tensor<?x8xf32>
  }
  // DEFAULT: heddle.kernel "l"{{.*}} schedule <"matmul",
  // CHECK: heddle.kernel "l"{{.*}} schedule <"generic", {lanes = 4 : i64}>
  %3 = heddle.kernel "l" (%x, %w) : (tensor<?x8xf32>, !weight) -> tensor<?x64xf32> {
  ^bb0(%a: tensor<?x8xf32>, %b: !weight):
    %1 = heddle.linear %a, %b : tensor<?x8xf32>, !weight
    heddle.yield %1 : tensor<?x64xf32>
  }
  // What has no emitter is generic by itself, whatever constants come first.
  // DEFAULT: heddle.kernel "t"{{.*}} schedule <"generic", {lanes = 4 : i64}>
  %4 = heddle.kernel "t" (%x) : (tensor<?x8xf32>) -> tensor<8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    %c1 = arith.constant 1 : index
    %c2 = arith.addi %c1, %c1 : index
    %1 = tensor.extract_slice %a[%c2, 0] [1, 8] [1, 1] : tensor<?x8xf32> to tensor<8xf32>
    heddle.yield %1 : tensor<8xf32>
  }
  return
}
