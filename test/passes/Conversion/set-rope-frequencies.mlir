// RUN: heddle-opt %s --heddle-set-rope-frequencies -split-input-file | FileCheck %s

// CHECK-LABEL: @longer
module @longer attributes {heddle.context = 65 : i64} {
  func.func @f(%pos: tensor<?xi32>) {
    // CHECK: heddle.rope_angles %{{.*}} {amplitude = 1.500000e+00 : f64, dim = 4 : i64, frequencies = array<f64: 5.000000e-01, 2.500000e-01>, theta = 1.000000e+04 : f64}
    %0 = heddle.rope_angles %pos {dim = 4 : i64, theta = 1.0e4 : f64, amplitude = 1.5 : f64, frequencies = array<f64: 1.0, 0.75>,
      beyond = array<f64: 0.5, 0.25>, original = 64 : i64} : tensor<?xi32>
    // Without other frequencies nothing changes.
    // CHECK: heddle.rope_angles %{{.*}} {dim = 4 : i64, frequencies = array<f64: 1.000000e+00, 7.500000e-01>, theta = 1.000000e+04 : f64}
    %1 = heddle.rope_angles %pos {dim = 4 : i64, theta = 1.0e4 : f64, frequencies = array<f64: 1.0, 0.75>} : tensor<?xi32>
    return
  }
}

// -----

// CHECK-LABEL: @as_long
module @as_long attributes {heddle.context = 64 : i64} {
  func.func @f(%pos: tensor<?xi32>) {
    // CHECK: frequencies = array<f64: 1.000000e+00, 7.500000e-01>, theta
    // CHECK-NOT: original
    %0 = heddle.rope_angles %pos {dim = 4 : i64, theta = 1.0e4 : f64, frequencies = array<f64: 1.0, 0.75>,
      beyond = array<f64: 0.5, 0.25>, original = 64 : i64} : tensor<?xi32>
    return
  }
}

// -----

// No context: the original one's.
// CHECK-LABEL: @no_context
module @no_context {
  func.func @f(%pos: tensor<?xi32>) {
    // CHECK: frequencies = array<f64: 1.000000e+00, 7.500000e-01>, theta
    %0 = heddle.rope_angles %pos {dim = 4 : i64, theta = 1.0e4 : f64, frequencies = array<f64: 1.0, 0.75>,
      beyond = array<f64: 0.5, 0.25>, original = 64 : i64} : tensor<?xi32>
    return
  }
}
