// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(heddle-fuse-residual))' | FileCheck %s

!w = tensor<64x64xf32, #heddle.enc<f32>>

// CHECK-LABEL: @residual
// CHECK: %[[K:.*]] = heddle.kernel "linear+addf"
// CHECK: return %[[K]]
func.func @residual(%x: tensor<?x64xf32>, %r: tensor<?x64xf32>, %w: !w) -> tensor<?x64xf32> {
  %0 = heddle.linear %x, %w : tensor<?x64xf32>, !w
  %1 = arith.addf %r, %0 : tensor<?x64xf32>
  return %1 : tensor<?x64xf32>
}

// Must not fire without a product, nor where it has another reader.
// CHECK-LABEL: @others
// CHECK-NOT: heddle.kernel
func.func @others(%x: tensor<?x64xf32>, %r: tensor<?x64xf32>, %w: !w) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  %0 = arith.addf %r, %x : tensor<?x64xf32>
  %1 = heddle.linear %x, %w : tensor<?x64xf32>, !w
  %2 = arith.addf %r, %1 : tensor<?x64xf32>
  return %0, %1, %2 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}
