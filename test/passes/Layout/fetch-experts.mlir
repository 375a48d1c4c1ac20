// RUN: heddle-opt %s --pass-pipeline='builtin.module(heddle-choose-layouts{rows=16}, func.func(heddle-fetch-experts))' | FileCheck %s

!w = tensor<4x48x64xf32, #heddle.enc<f32>>

// Products of one token: after the routing, before the first of them, once for both weights.
// CHECK-LABEL: func.func @one_token
// CHECK: %[[IDS:.*]], %{{.*}} = heddle.route
// CHECK-NEXT: heddle.fetch %[[IDS]] of %[[G:.*]], %[[U:.*]] : tensor<1x2xi32>, tensor<4x48x64xf32, #heddle.packed<<f32>, rows = 16, table = true>>,
// CHECK-NEXT: heddle.routed_matmul %{{.*}}, %[[G]], %[[IDS]]
// CHECK-NEXT: heddle.routed_matmul %{{.*}}, %[[U]], %[[IDS]]
func.func @one_token(%x: tensor<1x64xf32>, %z: tensor<1x4xf32>) -> (tensor<1x96xf32>, tensor<1x96xf32>) {
  %gate = heddle.param "gate" : !w
  %up = heddle.param "up" : !w
  %0:2 = heddle.kernel "k" (%x, %z, %gate, %up) : (tensor<1x64xf32>, tensor<1x4xf32>, !w, !w) -> (tensor<1x96xf32>, tensor<1x96xf32>) {
  ^bb0(%a: tensor<1x64xf32>, %b: tensor<1x4xf32>, %c: !w, %d: !w):
    %ids, %s = heddle.route %b {router = #heddle.router<k = 2, post = softmax>} : tensor<1x4xf32>
    %1 = heddle.routed_matmul %a, %c, %ids : tensor<1x64xf32>, !w, tensor<1x2xi32>
    %2 = heddle.routed_matmul %a, %d, %ids : tensor<1x64xf32>, !w, tensor<1x2xi32>
    heddle.yield %1, %2 : tensor<1x96xf32>, tensor<1x96xf32>
  }
  return %0#0, %0#1 : tensor<1x96xf32>, tensor<1x96xf32>
}

// Of more, by the offsets.
// CHECK-LABEL: func.func @grouped
// CHECK: heddle.fetch %{{.*}} of %{{.*}} : tensor<5xi32>, tensor<4x48x64xf32,
// CHECK-NEXT: heddle.grouped_matmul
func.func @grouped(%x: tensor<?x128xf32>, %o: tensor<5xi32>) -> tensor<?x96xf32> {
  %gate = heddle.param "gate" : !w
  %0 = heddle.kernel "k" (%x, %gate, %o) : (tensor<?x128xf32>, !w, tensor<5xi32>) -> tensor<?x96xf32> {
  ^bb0(%a: tensor<?x128xf32>, %b: !w, %c: tensor<5xi32>):
    %1 = heddle.grouped_matmul %a, %b, %c : tensor<?x128xf32>, !w, tensor<5xi32>
    heddle.yield %1 : tensor<?x96xf32>
  }
  return %0 : tensor<?x96xf32>
}

// Not where another op reads the weight too, which then has no table: all of it is there.
// CHECK-LABEL: func.func @read_whole
// CHECK-NOT: heddle.fetch
// CHECK-NOT: table
func.func @read_whole(%x: tensor<1x64xf32>, %y: tensor<?x256xf32>, %ids: tensor<1x2xi32>) -> (tensor<1x96xf32>, tensor<?x192xf32>) {
  %both = heddle.param "both" : !w
  %0 = heddle.kernel "k" (%x, %both, %ids) : (tensor<1x64xf32>, !w, tensor<1x2xi32>) -> tensor<1x96xf32> {
  ^bb0(%a: tensor<1x64xf32>, %b: !w, %c: tensor<1x2xi32>):
    %1 = heddle.routed_matmul %a, %b, %c : tensor<1x64xf32>, !w, tensor<1x2xi32>
    heddle.yield %1 : tensor<1x96xf32>
  }
  %2 = heddle.kernel "heads" (%y, %both) : (tensor<?x256xf32>, !w) -> tensor<?x192xf32> {
  ^bb0(%a: tensor<?x256xf32>, %b: !w):
    %3 = heddle.linear %a, %b : tensor<?x256xf32>, !w
    heddle.yield %3 : tensor<?x192xf32>
  }
  return %0, %2 : tensor<1x96xf32>, tensor<?x192xf32>
}
