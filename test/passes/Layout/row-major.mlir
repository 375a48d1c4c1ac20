// RUN: heddle-opt %s --heddle-choose-layouts -split-input-file | FileCheck %s

// A plain f32 weight that only ops without an emitter read stays a row-major matrix.

!w = tensor<20x8xf32, #heddle.enc<f32>>
!half = tensor<20x8xf32, #heddle.enc<f16>>

// CHECK-LABEL: @only_generic
// CHECK: heddle.param "w" : tensor<20x8xf32, #heddle.packed<<f32>, rows = 1>>
// CHECK: heddle.param "half" : tensor<20x8xf32, #heddle.packed<<f16>, rows = 32>>
// CHECK: ^bb0(%{{.*}}: tensor<20x8xf32, #heddle.packed<<f32>, rows = 1>>, %{{.*}}: tensor<20x8xf32, #heddle.packed<<f16>, rows = 32>>)
func.func @only_generic() -> tensor<2x8xf32> {
  %w = heddle.param "w" : !w
  %h = heddle.param "half" : !half
  %0:2 = heddle.kernel "g" (%w, %h) : (!w, !half) -> (tensor<2x8xf32>, tensor<2x8xf32>) {
  ^bb0(%a: !w, %b: !half):
    %1 = tensor.extract_slice %a[3, 0] [2, 8] [1, 1] : !w to tensor<2x8xf32>
    %2 = tensor.extract_slice %b[3, 0] [2, 8] [1, 1] : !half to tensor<2x8xf32>
    heddle.yield %1, %2 : tensor<2x8xf32>, tensor<2x8xf32>
  }
  return %0#0 : tensor<2x8xf32>
}

// -----

!w = tensor<8x8xf32, #heddle.enc<f32>>

// Layer 1's "b1" is also the weight of a linear, so "b0", the same argument of the
// layer kind, is packed as well; "a" is not.
// CHECK-LABEL: func.func private @kind
// CHECK-SAME: %{{.*}}: tensor<8x8xf32, #heddle.packed<<f32>, rows = 1>>, %{{.*}}: tensor<8x8xf32, #heddle.packed<<f32>, rows = 32>>)
func.func private @kind(%x: tensor<?x8xf32>, %slot: index, %s: tensor<?xi32>, %a: !w, %b: !w) -> tensor<?x8xf32> {
  // CHECK: ^bb0(%{{.*}}: tensor<?x8xf32>, %{{.*}}: tensor<8x8xf32, #heddle.packed<<f32>, rows = 1>>, %{{.*}}: tensor<8x8xf32, #heddle.packed<<f32>, rows = 32>>)
  %0 = heddle.kernel "g" (%x, %a, %b) : (tensor<?x8xf32>, !w, !w) -> tensor<?x8xf32> {
  ^bb0(%p: tensor<?x8xf32>, %q: !w, %r: !w):
    %1 = tensor.extract_slice %q[0, 0] [1, 8] [1, 1] : !w to tensor<8xf32>
    %2 = tensor.extract_slice %r[0, 0] [1, 8] [1, 1] : !w to tensor<8xf32>
    %3 = arith.addf %1, %2 : tensor<8xf32>
    %4 = heddle.rms_norm %p, %3 {epsilon = 1.0e-5 : f64} : tensor<?x8xf32>, tensor<8xf32>
    heddle.yield %4 : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// CHECK-LABEL: @decode
// CHECK: heddle.param "b1" : tensor<8x8xf32, #heddle.packed<<f32>, rows = 32>>
func.func @decode(%x: tensor<?x8xf32>, %s: tensor<?xi32>) -> tensor<?x8xf32> {
  %w = heddle.param "b1" : !w
  %0 = heddle.layers (%x) shared (%s) kinds [@kind] order [0, 0] rows [["a0", "b0"], ["a1", "b1"]]
    : (tensor<?x8xf32>), (tensor<?xi32>) -> (tensor<?x8xf32>)
  %1 = heddle.kernel "l" (%0, %w) : (tensor<?x8xf32>, !w) -> tensor<?x8xf32> {
  ^bb0(%p: tensor<?x8xf32>, %q: !w):
    %2 = heddle.linear %p, %q : tensor<?x8xf32>, !w
    heddle.yield %2 : tensor<?x8xf32>
  }
  return %1 : tensor<?x8xf32>
}
