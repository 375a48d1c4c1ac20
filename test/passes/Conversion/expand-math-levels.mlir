// RUN: heddle-opt %s --heddle-expand-math | FileCheck %s

// What a level lacks becomes other operations in its functions, and in no others.
module attributes {heddle.target = "x86-64-v2,x86-64-v3,x86-64-v4+vnni+bf16"} {
  // CHECK-LABEL: @old
  // CHECK-NOT: math.{{exp|fma}}
  // CHECK-NOT: arith.extf
  // CHECK: arith.mulf
  // CHECK: return
  func.func @old(%x: vector<4xf32>, %h: vector<4xf16>, %s: f16) -> (vector<4xf32>, vector<4xf32>, f32) attributes {heddle.level = "x86-64-v2"} {
    %0 = math.exp %x : vector<4xf32>
    %1 = arith.extf %h : vector<4xf16> to vector<4xf32>
    %2 = arith.extf %s : f16 to f32
    %3 = math.fma %0, %1, %x : vector<4xf32>
    return %0, %3, %2 : vector<4xf32>, vector<4xf32>, f32
  }

  // CHECK-LABEL: @new
  // CHECK: math.fma
  // CHECK: arith.extf
  // CHECK: return
  func.func @new(%x: vector<8xf32>, %h: vector<8xf16>) -> (vector<8xf32>, vector<8xf32>) attributes {heddle.level = "x86-64-v3"} {
    %0 = math.exp %x : vector<8xf32>
    %1 = arith.extf %h : vector<8xf16> to vector<8xf32>
    return %0, %1 : vector<8xf32>, vector<8xf32>
  }

  // CHECK-LABEL: @instruction
  // CHECK: arith.truncf
  func.func @instruction(%x: vector<16xf32>) -> vector<16xbf16> attributes {heddle.level = "x86-64-v4+vnni+bf16"} {
    %0 = arith.truncf %x : vector<16xf32> to vector<16xbf16>
    return %0 : vector<16xbf16>
  }

  // CHECK-LABEL: @rounded
  // CHECK-NOT: arith.truncf
  // CHECK: return
  func.func @rounded(%x: vector<8xf32>) -> vector<8xbf16> attributes {heddle.level = "x86-64-v3"} {
    %0 = arith.truncf %x : vector<8xf32> to vector<8xbf16>
    return %0 : vector<8xbf16>
  }

  // Wider conversions are instructions everywhere.
  // CHECK-LABEL: @wider
  // CHECK: arith.extf {{.*}} : f32 to f64
  func.func @wider(%x: f32) -> f64 attributes {heddle.level = "x86-64-v2"} {
    %0 = arith.extf %x : f32 to f64
    return %0 : f64
  }
}
