// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(heddle-fuse-experts))' | FileCheck %s

!w = tensor<4x64x96xf32, #heddle.enc<f32>>

// CHECK-LABEL: @residual
// CHECK: heddle.kernel "routed_matmul+combine+addf"
func.func @residual(%r: tensor<1x64xf32>, %x: tensor<1x192xf32>, %ids: tensor<1x2xi32>, %s: tensor<1x2xf32>, %w: !w) -> tensor<1x64xf32> {
  %0 = heddle.routed_matmul %x, %w, %ids : tensor<1x192xf32>, !w, tensor<1x2xi32>
  %1 = heddle.combine %0, %s : tensor<1x128xf32>, tensor<1x2xf32>
  %2 = arith.addf %r, %1 : tensor<1x64xf32>
  return %2 : tensor<1x64xf32>
}

// CHECK-LABEL: @biased
// CHECK-SAME: %[[B:[a-z0-9]+]]: tensor<4x64xf32>)
// CHECK: heddle.kernel "routed_matmul+combine+addf"(%{{.*}}, %[[B]], %{{.*}})
// CHECK: heddle.routed_matmul {{.*}} bias
func.func @biased(%r: tensor<1x64xf32>, %x: tensor<1x192xf32>, %ids: tensor<1x2xi32>, %s: tensor<1x2xf32>, %w: !w, %b: tensor<4x64xf32>) -> tensor<1x64xf32> {
  %0 = heddle.routed_matmul %x, %w, %ids bias %b : tensor<1x192xf32>, !w, tensor<1x2xi32>, tensor<4x64xf32>
  %1 = heddle.combine %0, %s : tensor<1x128xf32>, tensor<1x2xf32>
  %2 = arith.addf %r, %1 : tensor<1x64xf32>
  return %2 : tensor<1x64xf32>
}

// A sum with two readers ends the kernel.
// CHECK-LABEL: @two_readers
// CHECK: heddle.kernel "routed_matmul+combine"
// CHECK: arith.addf
func.func @two_readers(%r: tensor<1x64xf32>, %x: tensor<1x192xf32>, %ids: tensor<1x2xi32>, %s: tensor<1x2xf32>, %w: !w) -> (tensor<1x64xf32>, tensor<1x64xf32>) {
  %0 = heddle.routed_matmul %x, %w, %ids : tensor<1x192xf32>, !w, tensor<1x2xi32>
  %1 = heddle.combine %0, %s : tensor<1x128xf32>, tensor<1x2xf32>
  %2 = arith.addf %r, %1 : tensor<1x64xf32>
  return %1, %2 : tensor<1x64xf32>, tensor<1x64xf32>
}

// Must not fire where something else reads the slots' rows, nor for rows in groups.
// CHECK-LABEL: @must_not
// CHECK-NOT: heddle.kernel
func.func @must_not(%x: tensor<1x192xf32>, %xs: tensor<?x192xf32>, %ids: tensor<1x2xi32>, %s: tensor<1x2xf32>, %p: tensor<?x2xi32>, %t: tensor<?x2xf32>, %o: tensor<5xi32>, %w: !w) -> (tensor<1x128xf32>, tensor<1x64xf32>, tensor<?x64xf32>) {
  %0 = heddle.routed_matmul %x, %w, %ids : tensor<1x192xf32>, !w, tensor<1x2xi32>
  %1 = heddle.combine %0, %s : tensor<1x128xf32>, tensor<1x2xf32>
  %2 = heddle.grouped_matmul %xs, %w, %o : tensor<?x192xf32>, !w, tensor<5xi32>
  %3 = heddle.combine %2, %t, %p : tensor<?x128xf32>, tensor<?x2xf32>, tensor<?x2xi32>
  return %0, %1, %3 : tensor<1x128xf32>, tensor<1x64xf32>, tensor<?x64xf32>
}
