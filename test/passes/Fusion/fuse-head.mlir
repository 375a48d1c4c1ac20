// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(heddle-fuse-head))' | FileCheck %s

!w = tensor<64x64xf32, #heddle.enc<f32>>

// CHECK-LABEL: @decode
// CHECK: heddle.kernel "select_rows+rms_norm+linear"
func.func @decode(%x: tensor<1x64xf32>, %rows: tensor<1xi32>, %n: tensor<64xf32>, %w: !w) -> tensor<1x64xf32> attributes {heddle.max_tokens = 1 : i64} {
  %0 = heddle.select_rows %x, %rows : tensor<1x64xf32>, tensor<1xi32>
  %1 = heddle.rms_norm %0, %n {epsilon = 1.0e-5 : f64} : tensor<1x64xf32>, tensor<64xf32>
  %2 = heddle.linear %1, %w : tensor<1x64xf32>, !w
  return %2 : tensor<1x64xf32>
}

// For several tokens the norm is another kernel's.
// CHECK-LABEL: @prefill
// CHECK: heddle.rms_norm
// CHECK: heddle.kernel "linear"
func.func @prefill(%x: tensor<?x64xf32>, %n: tensor<64xf32>, %w: !w) -> tensor<?x64xf32> attributes {heddle.max_tokens = 16 : i64} {
  %1 = heddle.rms_norm %x, %n {epsilon = 1.0e-5 : f64} : tensor<?x64xf32>, tensor<64xf32>
  %2 = heddle.linear %1, %w : tensor<?x64xf32>, !w
  return %2 : tensor<?x64xf32>
}

// Must not fire for a product that is not returned.
// CHECK-LABEL: @inner
// CHECK-NOT: heddle.kernel
func.func @inner(%x: tensor<?x64xf32>, %w: !w) -> tensor<?x64xf32> {
  %2 = heddle.linear %x, %w : tensor<?x64xf32>, !w
  %3 = arith.addf %2, %2 : tensor<?x64xf32>
  return %3 : tensor<?x64xf32>
}
