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

// expected-error @below {{numeric = int3, supported: auto, f32}}
module attributes {heddle.numeric = "int3"} {
}

// -----

// expected-error @below {{numeric = 8 : i64, needs a string}}
module attributes {heddle.numeric = 8 : i64} {
}
