// RUN: heddle-opt %s --heddle-convert-activations -split-input-file | FileCheck %s

!codes = tensor<8x64xf32, #heddle.enc<i8, group = 32, scale = true>>
!floats = tensor<8x64xf32, #heddle.enc<f16>>
!narrow = tensor<8x16xf32, #heddle.enc<i8, group = 16, scale = true>>

module attributes {heddle.numeric = "a8"} {
  // CHECK-LABEL: @products
  // CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>,
  func.func @products(%x: tensor<?x64xf32>, %n: tensor<?x16xf32>, %w: !codes, %f: !floats, %m: !narrow) {
    // CHECK: %[[R:.*]] = heddle.convert_rows %[[X]] : tensor<?x64xf32> -> tensor<?x64xf32, #heddle.rows<i8, group = 32>>
    // CHECK: heddle.linear %[[R]], %{{.*}} : tensor<?x64xf32, #heddle.rows<i8, group = 32>>
    %0 = heddle.linear %x, %w : tensor<?x64xf32>, !codes
    // Must not fire for floats.
    // CHECK-NEXT: heddle.linear %[[X]]
    %1 = heddle.linear %x, %f : tensor<?x64xf32>, !floats
    // Nor where 32 does not divide the width.
    // CHECK-NEXT: heddle.linear %{{.*}} : tensor<?x16xf32>
    %2 = heddle.linear %n, %m : tensor<?x16xf32>, !narrow
    return
  }
}

// -----

!codes = tensor<8x64xf32, #heddle.enc<i8, group = 32, scale = true>>

// Nor in another mode.
module attributes {heddle.numeric = "f32"} {
  // CHECK-LABEL: @other_mode
  // CHECK-NOT: heddle.convert_rows
  func.func @other_mode(%x: tensor<?x64xf32>, %w: !codes) {
    %0 = heddle.linear %x, %w : tensor<?x64xf32>, !codes
    return
  }
}
