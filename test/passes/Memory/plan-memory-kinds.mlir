// RUN: heddle-opt %s -split-input-file --heddle-plan-memory | FileCheck %s

// Kinds with different numbers of parameters: each layer's call is given the first of its own, counted
// over the layers before.

// CHECK: heddle.params = ["a0", "b0", "b1", "a2"]
// CHECK: func.func @decode
// CHECK: scf.index_switch
// CHECK: case 0 {
// CHECK-NEXT: %[[A:.*]] = arith.constant 0 : index
// CHECK-NEXT: call @one(%{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %[[A]],
// CHECK: case 1 {
// CHECK-NEXT: %[[B:.*]] = arith.constant 1 : index
// CHECK-NEXT: call @two(%{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %[[B]],
// CHECK: case 2 {
// CHECK-NEXT: %[[C:.*]] = arith.constant 3 : index
// CHECK-NEXT: call @one(%{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %[[C]],
module {
  func.func private @pass(index, index, memref<1x8xf32>, memref<8xf32>, memref<1x8xf32>)
  func.func private @embed(index, index, memref<1xi32>, memref<1x8xf32>)
  func.func private @k(index, index, memref<1x8xf32>, memref<1x16xf32>)
  func.func private @one(%x: tensor<1x8xf32>, %slot: index, %w: tensor<8xf32>) -> tensor<1x8xf32> {
    %y = heddle.launch @pass(%x, %w) items affine_map<(d0) -> (2)> aligned [false, false] -> [false] : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    return %y : tensor<1x8xf32>
  }
  func.func private @two(%x: tensor<1x8xf32>, %slot: index, %w: tensor<8xf32>, %v: tensor<8xf32>) -> tensor<1x8xf32> {
    %y = heddle.launch @pass(%x, %w) items affine_map<(d0) -> (2)> aligned [false, false] -> [false] : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    return %y : tensor<1x8xf32>
  }
  func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %rows: tensor<1xi32>) -> tensor<1x16xf32> attributes {heddle.max_tokens = 1 : i64} {
    %x = heddle.launch @embed(%tokens) items affine_map<(d0) -> (d0)> aligned [true] -> [true] : (tensor<1xi32>) -> tensor<1x8xf32>
    %y = heddle.layers (%x) shared () kinds [@one, @two] order [0, 1, 0] rows [["a0"], ["b0", "b1"], ["a2"]]
      : (tensor<1x8xf32>), () -> (tensor<1x8xf32>)
    %l = heddle.launch @k(%y) items affine_map<(d0) -> (2)> aligned [false] -> [false]
      : (tensor<1x8xf32>) -> tensor<1x16xf32>
    return %l : tensor<1x16xf32>
  }
}

// -----

// The weights of experts of one layer belong together; of a count of experts of their own they do not.
// CHECK: heddle.expert_groups = [array<i64: 1, 2>, array<i64: 3>, array<i64: 5, 6>, array<i64: 7>]
!w = tensor<4x48x64xf32, #heddle.packed<<f32>, rows = 16, table = true>>
!v = tensor<5x48x64xf32, #heddle.packed<<f32>, rows = 16, table = true>>
module {
  func.func private @pass(index, index, memref<1x8xf32>, memref<8xf32>, memref<1x8xf32>)
  func.func private @embed(index, index, memref<1xi32>, memref<1x8xf32>)
  func.func private @k(index, index, memref<1x8xf32>, memref<1x16xf32>)
  func.func private @one(%x: tensor<1x8xf32>, %slot: index, %n: tensor<8xf32>, %g: !w, %u: !w, %d: !v) -> tensor<1x8xf32> {
    %y = heddle.launch @pass(%x, %n) items affine_map<(d0) -> (2)> aligned [false, false] -> [false] : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    return %y : tensor<1x8xf32>
  }
  func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %rows: tensor<1xi32>) -> tensor<1x16xf32> attributes {heddle.max_tokens = 1 : i64} {
    %x = heddle.launch @embed(%tokens) items affine_map<(d0) -> (d0)> aligned [true] -> [true] : (tensor<1xi32>) -> tensor<1x8xf32>
    %y = heddle.layers (%x) shared () kinds [@one] order [0, 0] rows [["n0", "g0", "u0", "d0"], ["n1", "g1", "u1", "d1"]]
      : (tensor<1x8xf32>), () -> (tensor<1x8xf32>)
    %l = heddle.launch @k(%y) items affine_map<(d0) -> (2)> aligned [false] -> [false]
      : (tensor<1x8xf32>) -> tensor<1x16xf32>
    return %l : tensor<1x16xf32>
  }
}
