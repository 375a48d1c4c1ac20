// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(heddle-fuse-router))' | FileCheck %s

!w = tensor<8x64xf32, #heddle.enc<f32>>
!codes = tensor<1x64xf32, #heddle.rows<i8, group = 32>>

// The norm leaves the kernel too, and so does its form for the experts.
// CHECK-LABEL: @one
// CHECK: %[[K:.*]]:3 = heddle.kernel "rms_norm+convert_rows+linear"
// CHECK: heddle.route %[[K]]#2
// CHECK: return %[[K]]#0, %[[K]]#1
func.func @one(%x: tensor<1x64xf32>, %n: tensor<64xf32>, %w: !w) -> (tensor<1x64xf32>, !codes, tensor<1x2xi32>, tensor<1x2xf32>) attributes {heddle.max_tokens = 1 : i64} {
  %h = heddle.rms_norm %x, %n {epsilon = 1.0e-5 : f64} : tensor<1x64xf32>, tensor<64xf32>
  %z = heddle.linear %h, %w : tensor<1x64xf32>, !w
  %ids, %s = heddle.route %z {router = #heddle.router<k = 2, score = softmax>} : tensor<1x8xf32>
  %c = heddle.convert_rows %h : tensor<1x64xf32> -> !codes
  return %h, %c, %ids, %s : tensor<1x64xf32>, !codes, tensor<1x2xi32>, tensor<1x2xf32>
}

// Must not fire for more tokens: a thread would compute all their norms.
// CHECK-LABEL: @many
// CHECK-NOT: heddle.kernel
func.func @many(%x: tensor<?x64xf32>, %n: tensor<64xf32>, %w: !w) -> (tensor<?x2xi32>, tensor<?x2xf32>) attributes {heddle.max_tokens = 16 : i64} {
  %h = heddle.rms_norm %x, %n {epsilon = 1.0e-5 : f64} : tensor<?x64xf32>, tensor<64xf32>
  %z = heddle.linear %h, %w : tensor<?x64xf32>, !w
  %ids, %s = heddle.route %z {router = #heddle.router<k = 2, score = softmax>} : tensor<?x8xf32>
  return %ids, %s : tensor<?x2xi32>, tensor<?x2xf32>
}

// Nor without a norm.
// CHECK-LABEL: @no_norm
// CHECK-NOT: heddle.kernel
func.func @no_norm(%x: tensor<1x64xf32>, %w: !w) -> (tensor<1x2xi32>, tensor<1x2xf32>) attributes {heddle.max_tokens = 1 : i64} {
  %z = heddle.linear %x, %w : tensor<1x64xf32>, !w
  %ids, %s = heddle.route %z {router = #heddle.router<k = 2, score = softmax>} : tensor<1x8xf32>
  return %ids, %s : tensor<1x2xi32>, tensor<1x2xf32>
}
