// RUN: heddle-opt %s --heddle-convert-activations -split-input-file | FileCheck %s

!codes = tensor<8x64xf32, #heddle.enc<i8, group = 32, scale = true>>
!floats = tensor<8x64xf32, #heddle.enc<f16>>
!narrow = tensor<8x16xf32, #heddle.enc<i8, group = 16, scale = true>>
!experts = tensor<4x64x64xf32, #heddle.enc<i8, group = 32, scale = true>>
!float_experts = tensor<4x64x64xf32, #heddle.enc<f16>>

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

  // What enters experts, and within them what enters down; not where either weight is of floats.
  // CHECK-LABEL: @experts
  // CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>,
  func.func @experts(%x: tensor<?x64xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %g: !experts, %f: !float_experts) {
    // CHECK: %[[R:.*]] = heddle.convert_rows %[[X]]
    // CHECK: heddle.experts %[[R]], {{.*}}hidden = #heddle.rows<i8, group = 32>}
    %0 = heddle.experts %x, %ids, %w, %g, %g, %g {activation = #heddle.activation<silu>}
      : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, !experts, !experts, !experts
    // CHECK: heddle.experts %[[X]], {{.*}}hidden = #heddle.rows<i8, group = 32>}
    %1 = heddle.experts %x, %ids, %w, %f, %f, %g {activation = #heddle.activation<silu>}
      : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, !float_experts, !float_experts, !experts
    // CHECK: heddle.experts %{{.*}}, {{.*}}{activation = #heddle.activation<silu>}
    %2 = heddle.experts %x, %ids, %w, %g, %g, %f {activation = #heddle.activation<silu>}
      : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, !experts, !experts, !float_experts
    return
  }
}

// -----

// a16: codes enter as the integers they are; a minimum wants the sum of its group.
!codes = tensor<8x64xf32, #heddle.enc<u4, group = 32, scale = true, offset = -8>>
!minima = tensor<8x64xf32, #heddle.enc<u4, group = 32, scale = true, min = true>>
!bf16 = tensor<8x64xf32, #heddle.enc<bf16>>
!odd = tensor<8x63xf32, #heddle.enc<bf16>>
!f16 = tensor<8x64xf32, #heddle.enc<f16>>
!large = tensor<8x64xf32, #heddle.enc<i8, group = 32, scale = true, offset = -200>>

module attributes {heddle.numeric = "a16"} {
  // CHECK-LABEL: @bf16
  // CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[O:.*]]: tensor<?x63xf32>,
  func.func @bf16(%x: tensor<?x64xf32>, %o: tensor<?x63xf32>, %c: !codes, %m: !minima, %b: !bf16, %n: !odd, %f: !f16, %l: !large) {
    // CHECK: %[[R:.*]] = heddle.convert_rows %[[X]] : tensor<?x64xf32> -> tensor<?x64xf32, #heddle.rows<bf16>>
    // CHECK-NEXT: heddle.linear %[[R]]
    %0 = heddle.linear %x, %c : tensor<?x64xf32>, !codes
    // CHECK: %[[S:.*]] = heddle.convert_rows %[[X]] : tensor<?x64xf32> -> tensor<?x64xf32, #heddle.rows<bf16, group = 32>>
    // CHECK-NEXT: heddle.linear %[[S]]
    %1 = heddle.linear %x, %m : tensor<?x64xf32>, !minima
    // CHECK: %[[B:.*]] = heddle.convert_rows %[[X]] : tensor<?x64xf32> -> tensor<?x64xf32, #heddle.rows<bf16>>
    // CHECK-NEXT: heddle.linear %[[B]]
    %2 = heddle.linear %x, %b : tensor<?x64xf32>, !bf16
    // Must not fire where no pairs fit, for other floats, nor for integers that bf16 rounds.
    // CHECK-NEXT: heddle.linear %[[O]]
    %3 = heddle.linear %o, %n : tensor<?x63xf32>, !odd
    // CHECK-NEXT: heddle.linear %[[X]]
    %4 = heddle.linear %x, %f : tensor<?x64xf32>, !f16
    // CHECK-NEXT: heddle.linear %[[X]]
    %5 = heddle.linear %x, %l : tensor<?x64xf32>, !large
    return
  }
}

// -----

// BF16 runs as a16 under a8.
!bf16 = tensor<8x64xf32, #heddle.enc<bf16>>

module attributes {heddle.numeric = "a8"} {
  // CHECK-LABEL: @beside_codes
  // CHECK: heddle.convert_rows {{.*}} -> tensor<?x64xf32, #heddle.rows<bf16>>
  func.func @beside_codes(%x: tensor<?x64xf32>, %w: !bf16) {
    %0 = heddle.linear %x, %w : tensor<?x64xf32>, !bf16
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
