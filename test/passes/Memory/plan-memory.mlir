// RUN: heddle-opt %s --heddle-plan-memory | FileCheck %s

// CHECK: module attributes {
// CHECK-DAG: heddle.arena_bytes = {{[0-9]+}} : i64
// CHECK-DAG: heddle.params = ["w"]
// CHECK-DAG: heddle.caches = []
// CHECK: func.func @decode(%[[CTX:.*]]: !heddle_rt.context, %[[TID:.*]]: index, %[[N:.*]]: index)
// CHECK-NOT: heddle.launch
// CHECK: heddle_rt.arena %[[CTX]]
// CHECK: %[[S:.*]], %[[E:.*]] = heddle_rt.share %{{.*}}, %[[TID]], %[[N]]
// CHECK: call @embed(%[[S]], %[[E]],
// CHECK: heddle_rt.barrier %[[CTX]], %[[TID]], %[[N]]
// CHECK: heddle_rt.mark %[[CTX]], %[[TID]] [5]
// CHECK: call @head(
// CHECK: return
module {
  func.func private @embed(index, index, memref<1xi32>, memref<1x1x512xi8>, memref<1x8xf32>)
  func.func private @head(index, index, memref<1x8xf32>, memref<1x16xf32>)
  func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %rows: tensor<1xi32>) -> tensor<1x16xf32> attributes {heddle.max_tokens = 1 : i64} {
    %w = heddle.param "w" : tensor<16x8xf32, #heddle.packed<<f32, group = 8>, rows = 16>>
    %x = heddle.launch @embed(%tokens, %w) items affine_map<(d0) -> (d0)> aligned [true, false] -> [true]
      : (tensor<1xi32>, tensor<16x8xf32, #heddle.packed<<f32, group = 8>, rows = 16>>) -> tensor<1x8xf32>
    %y = heddle.launch @head(%x) items affine_map<(d0) -> (2)> aligned [false] -> [false] {heddle.barrier, heddle.record = 5 : i64}
      : (tensor<1x8xf32>) -> tensor<1x16xf32>
    return %y : tensor<1x16xf32>
  }
}
