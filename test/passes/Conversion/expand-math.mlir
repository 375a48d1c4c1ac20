// RUN: heddle-opt %s --heddle-expand-math | FileCheck %s

// CHECK-LABEL: @scalar
// CHECK-NOT: math.{{exp|sin|cos}}
// CHECK: math.fma {{.*}} : f32
// CHECK: return
func.func @scalar(%x: f32) -> f32 {
  %0 = math.exp %x : f32
  return %0 : f32
}

// CHECK-LABEL: @vector
// CHECK-NOT: math.{{exp|sin|cos}}
// CHECK: math.fma {{.*}} : vector<8xf32>
// CHECK: return
func.func @vector(%x: vector<8xf32>) -> vector<8xf32> {
  %0 = math.exp %x : vector<8xf32>
  return %0 : vector<8xf32>
}

// CHECK-LABEL: @angles
// CHECK-NOT: math.{{exp|sin|cos}}
// CHECK: math.fma {{.*}} : f64
// CHECK: return
func.func @angles(%x: f64) -> (f64, f64) {
  %0 = math.sin %x : f64
  %1 = math.cos %x : f64
  return %0, %1 : f64, f64
}

// Other widths stay.
// CHECK-LABEL: @others
// CHECK: math.exp {{.*}} : f64
// CHECK: math.sin {{.*}} : f32
func.func @others(%x: f64, %y: f32) -> (f64, f32) {
  %0 = math.exp %x : f64
  %1 = math.sin %y : f32
  return %0, %1 : f64, f32
}
