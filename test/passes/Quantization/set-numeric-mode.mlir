// RUN: heddle-opt %s --heddle-set-numeric-mode -split-input-file -verify-diagnostics | FileCheck %s

// CHECK: module
// CHECK-SAME: heddle.numeric = "f32"
module attributes {heddle.numeric = "auto"} {
}

// -----

// CHECK: module
// CHECK-SAME: heddle.numeric = "f32"
module attributes {heddle.numeric = "f32"} {
}

// -----

// CHECK: module
// CHECK-SAME: heddle.numeric = "f32"
module {
}

// -----

// expected-error @below {{numeric = int3, supported: auto, f32, a16, a8}}
module attributes {heddle.numeric = "int3"} {
}

// -----

// expected-error @below {{numeric = 8 : i64, needs a string}}
module attributes {heddle.numeric = 8 : i64} {
}

// -----

// Most bytes of matrices are codes and the target multiplies them: a8.
// CHECK: module
// CHECK-SAME: heddle.numeric = "a8"
module attributes {heddle.numeric = "auto", heddle.target = "x86-64-v3"} {
  func.func private @weights() {
    %0 = heddle.param "w" : tensor<8x64xf32, #heddle.enc<i8, group = 32, scale = true>>
    %1 = heddle.param "v" : tensor<1x64xf32, #heddle.enc<f16>>
    return
  }
}

// -----

// CHECK: module
// CHECK-SAME: heddle.numeric = "f32"
module attributes {heddle.numeric = "auto", heddle.target = "x86-64-v3"} {
  func.func private @weights() {
    %0 = heddle.param "w" : tensor<1x64xf32, #heddle.enc<i8, group = 32, scale = true>>
    %1 = heddle.param "v" : tensor<8x64xf32, #heddle.enc<f16>>
    return
  }
}

// -----

// expected-error @below {{unsupported: numeric = a8 on target none, which has no integer dot product}}
module attributes {heddle.numeric = "a8"} {
}

// -----

// Most bytes are bf16: a16 where the target has a dot product of it.
// CHECK: module
// CHECK-SAME: heddle.numeric = "a16"
module attributes {heddle.numeric = "auto", heddle.target = "x86-64-v4+vnni+bf16"} {
  func.func private @weights() {
    %0 = heddle.param "w" : tensor<1x64xf32, #heddle.enc<i8, group = 32, scale = true>>
    %1 = heddle.param "v" : tensor<8x64xf32, #heddle.enc<bf16>>
    return
  }
}

// -----

// All levels must have it.
// CHECK: module
// CHECK-SAME: heddle.numeric = "f32"
module attributes {heddle.numeric = "auto", heddle.target = "x86-64-v3,x86-64-v4+vnni+bf16"} {
  func.func private @weights() {
    %0 = heddle.param "v" : tensor<8x64xf32, #heddle.enc<bf16>>
    return
  }
}

// -----

// Asked for, it needs no instruction.
// CHECK: module
// CHECK-SAME: heddle.numeric = "a16"
module attributes {heddle.numeric = "a16", heddle.target = "x86-64-v3"} {
}
