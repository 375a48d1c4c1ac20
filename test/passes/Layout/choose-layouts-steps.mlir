// RUN: heddle-opt %s --heddle-choose-layouts | FileCheck %s

// Codes lie in the steps of the target's integer dot product where a group holds whole ones,
// and its high bits whole bytes.
// CHECK-LABEL: module attributes {heddle.numeric = "a8", heddle.target = "x86-64-v3"}
module attributes {heddle.numeric = "a8", heddle.target = "x86-64-v3"} {
  func.func @f() {
    // CHECK: #heddle.packed<<u5, group = 32, scale = true, offset = -16>, rows = 32, step = 4>
    %0 = heddle.param "five" : tensor<8x256xf32, #heddle.enc<u5, group = 32, scale = true, offset = -16>>
    // CHECK: #heddle.packed<<u4, group = 32, scale = true, min = true, super = 256, scales = u6>, rows = 32, step = 4>
    %1 = heddle.param "four" : tensor<8x256xf32, #heddle.enc<u4, group = 32, scale = true, min = true, super = 256, scales = u6>>
    // CHECK: #heddle.packed<<u6, group = 16, scale = true, offset = -32, super = 256, scales = i8>, rows = 32, step = 4>
    %2 = heddle.param "six" : tensor<8x256xf32, #heddle.enc<u6, group = 16, scale = true, offset = -32, super = 256, scales = i8>>
    // CHECK: #heddle.packed<<u4, group = 16, scale = true>, rows = 32, step = 4>
    %3 = heddle.param "half" : tensor<8x256xf32, #heddle.enc<u4, group = 16, scale = true>>
    // CHECK: #heddle.packed<<u5, group = 16, scale = true>, rows = 32>
    %4 = heddle.param "narrow" : tensor<8x256xf32, #heddle.enc<u5, group = 16, scale = true>>
    // CHECK: #heddle.packed<<i8>, rows = 32>
    %5 = heddle.param "single" : tensor<8x256xf32, #heddle.enc<i8>>
    return
  }
}
