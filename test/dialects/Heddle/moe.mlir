// RUN: heddle-opt %s | heddle-opt | FileCheck %s
// RUN: heddle-opt %s --mlir-print-op-generic | heddle-opt | FileCheck %s

!w = tensor<8x96x64xf32, #heddle.enc<i8, group = 32, scale = true>>
!wd = tensor<8x64x96xf32, #heddle.packed<<f32>, rows = 32>>
!table = tensor<8x96x64xf32, #heddle.packed<<f32>, rows = 32, table = true>>
!codes = tensor<?x64xf32, #heddle.rows<i8, group = 32>>

// CHECK-LABEL: @route
func.func @route(%z: tensor<?x8xf32>, %bias: tensor<8xf32>) {
  // CHECK: heddle.route %{{.*}} {router = #heddle.router<k = 2, score = softmax, norm = sum>} : tensor<?x8xf32>
  %ids, %w = heddle.route %z {router = #heddle.router<k = 2, score = softmax, norm = sum>} : tensor<?x8xf32>
  // CHECK: heddle.route %{{.*}}, %{{.*}} {router = #heddle.router<k = 3, score = sigmoid, norm = sum, eps = {{.*}} : f64, scale = 2.500000e+00 : f64, groups = 4, keep = 2, reduce = sum_top2>} : tensor<?x8xf32>, tensor<8xf32>
  %ids1, %w1 = heddle.route %z, %bias {router = #heddle.router<k = 3, score = sigmoid, norm = sum, eps = 1.0e-20 : f64, scale = 2.5 : f64, groups = 4, keep = 2, reduce = sum_top2>} : tensor<?x8xf32>, tensor<8xf32>
  // CHECK: heddle.route %{{.*}} {router = #heddle.router<k = 4, post = softmax>} : tensor<?x8xf32>
  %ids2, %w2 = heddle.route %z {router = #heddle.router<k = 4, post = softmax>} : tensor<?x8xf32>
  return
}

// A region has one token's logits, and the bias where there is one.
// CHECK-LABEL: @custom_route
func.func @custom_route(%z: tensor<?x8xf32>, %bias: tensor<8xf32>) {
  // CHECK: heddle.custom_route %{{.*}} : (tensor<?x8xf32>) -> (tensor<?x1xi32>, tensor<?x1xf32>) {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<1x8xf32>):
  // CHECK: heddle.yield %{{.*}}, %{{.*}} : tensor<1x1xi32>, tensor<1x1xf32>
  %ids, %w = heddle.custom_route %z : (tensor<?x8xf32>) -> (tensor<?x1xi32>, tensor<?x1xf32>) {
  ^bb0(%row: tensor<1x8xf32>):
    %first = arith.constant dense<0> : tensor<1x1xi32>
    %score = tensor.extract_slice %row[0, 0] [1, 1] [1, 1] : tensor<1x8xf32> to tensor<1x1xf32>
    heddle.yield %first, %score : tensor<1x1xi32>, tensor<1x1xf32>
  }
  // CHECK: heddle.custom_route %{{.*}}, %{{.*}} : (tensor<?x8xf32>, tensor<8xf32>)
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<1x8xf32>, %{{.*}}: tensor<8xf32>):
  %ids1, %w1 = heddle.custom_route %z, %bias : (tensor<?x8xf32>, tensor<8xf32>) -> (tensor<?x1xi32>, tensor<?x1xf32>) {
  ^bb0(%row: tensor<1x8xf32>, %b: tensor<8xf32>):
    %first = arith.constant dense<0> : tensor<1x1xi32>
    %score = tensor.extract_slice %row[0, 0] [1, 1] [1, 1] : tensor<1x8xf32> to tensor<1x1xf32>
    heddle.yield %first, %score : tensor<1x1xi32>, tensor<1x1xf32>
  }
  return
}

// CHECK-LABEL: @experts
func.func @experts(%x: tensor<?x64xf32>, %c: !codes, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %gate: !w, %down: !wd, %bias: tensor<8x96xf32>, %bias_down: tensor<8x64xf32>) {
  // CHECK: heddle.param "stacked" : tensor<8x96x64xf32, #heddle.enc<bf16>>
  %p = heddle.param "stacked" : tensor<8x96x64xf32, #heddle.enc<bf16>>
  // CHECK: heddle.experts %{{.*}} {activation = #heddle.activation<silu>} : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>,
  %y = heddle.experts %x, %ids, %w, %gate, %p, %down {activation = #heddle.activation<silu>}
    : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, !w, tensor<8x96x64xf32, #heddle.enc<bf16>>, !wd
  // CHECK: heddle.experts %{{.*}} {activation = #heddle.activation<silu>, hidden = #heddle.rows<i8, group = 32>}
  %y1 = heddle.experts %c, %ids, %w, %gate, %gate, %down {activation = #heddle.activation<silu>, hidden = #heddle.rows<i8, group = 32>}
    : !codes, tensor<?x2xi32>, tensor<?x2xf32>, !w, !w, !wd
  // CHECK: heddle.experts %{{.*}} biases(%[[B:[a-z0-9]+]], %[[B]], %[[BD:[a-z0-9]+]]) {activation = #heddle.activation<oai>} : {{.*}} biases(tensor<8x96xf32>, tensor<8x96xf32>, tensor<8x64xf32>)
  %y2 = heddle.experts %x, %ids, %w, %gate, %gate, %down biases(%bias, %bias, %bias_down) {activation = #heddle.activation<oai>}
    : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, !w, !w, !wd biases(tensor<8x96xf32>, tensor<8x96xf32>, tensor<8x64xf32>)
  // CHECK: %[[ORDER:.*]], %[[POSITION:.*]], %[[OFFSETS:.*]] = heddle.plan %{{.*}} {experts = 8 : i64} : tensor<?x2xi32>
  %order, %position, %offsets = heddle.plan %ids {experts = 8 : i64} : tensor<?x2xi32>
  // CHECK: heddle.dispatch %{{.*}}, %[[ORDER]] : tensor<?x64xf32>, tensor<?x2xi32>
  %xs = heddle.dispatch %x, %order : tensor<?x64xf32>, tensor<?x2xi32>
  // CHECK: heddle.dispatch %{{.*}}, %[[ORDER]] : tensor<?x64xf32, #heddle.rows<i8, group = 32>>, tensor<?x2xi32>
  %cs = heddle.dispatch %c, %order : !codes, tensor<?x2xi32>
  // CHECK: heddle.grouped_matmul %{{.*}}, %{{.*}}, %[[OFFSETS]] : tensor<?x128xf32>, tensor<8x96x64xf32, {{.*}}>, tensor<9xi32>
  %g = heddle.grouped_matmul %xs, %gate, %offsets : tensor<?x128xf32>, !w, tensor<9xi32>
  // CHECK: heddle.routed_matmul %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<8x96x64xf32, {{.*}}>, tensor<?x2xi32>
  %r = heddle.routed_matmul %x, %gate, %ids : tensor<?x64xf32>, !w, tensor<?x2xi32>
  // CHECK: heddle.grouped_matmul %{{.*}}, %{{.*}}, %[[OFFSETS]] bias %[[B:[a-z0-9]+]] : tensor<?x128xf32>, tensor<8x96x64xf32, {{.*}}>, tensor<9xi32>, tensor<8x96xf32>
  %gb = heddle.grouped_matmul %xs, %gate, %offsets bias %bias : tensor<?x128xf32>, !w, tensor<9xi32>, tensor<8x96xf32>
  // CHECK: heddle.routed_matmul %{{.*}}, %{{.*}}, %{{.*}} bias %[[B]] : tensor<?x64xf32>, tensor<8x96x64xf32, {{.*}}>, tensor<?x2xi32>, tensor<8x96xf32>
  %rb = heddle.routed_matmul %x, %gate, %ids bias %bias : tensor<?x64xf32>, !w, tensor<?x2xi32>, tensor<8x96xf32>
  // CHECK: heddle.routed_matmul %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x192xf32>, tensor<8x64x96xf32, {{.*}}>, tensor<?x2xi32>
  %ys = heddle.routed_matmul %r, %down, %ids : tensor<?x192xf32>, !wd, tensor<?x2xi32>
  // CHECK: heddle.combine %{{.*}}, %{{.*}} : tensor<?x128xf32>, tensor<?x2xf32>
  %z = heddle.combine %ys, %w : tensor<?x128xf32>, tensor<?x2xf32>
  // CHECK: heddle.combine %{{.*}}, %{{.*}}, %[[POSITION]] : tensor<?x128xf32>, tensor<?x2xf32>, tensor<?x2xi32>
  %z1 = heddle.combine %ys, %w, %position : tensor<?x128xf32>, tensor<?x2xf32>, tensor<?x2xi32>
  return
}

// CHECK-LABEL: @fetch
func.func @fetch(%ids: tensor<1x2xi32>, %offsets: tensor<9xi32>, %w: !table) {
  // CHECK: heddle.fetch %{{.*}} of %[[W:.*]], %[[W]] : tensor<1x2xi32>, tensor<8x96x64xf32, #heddle.packed<<f32>, rows = 32, table = true>>, tensor<8x96x64xf32,
  heddle.fetch %ids of %w, %w : tensor<1x2xi32>, !table, !table
  // CHECK: heddle.fetch %{{.*}} of %{{.*}} : tensor<9xi32>, tensor<8x96x64xf32,
  heddle.fetch %offsets of %w : tensor<9xi32>, !table
  return
}

// CHECK-LABEL: @gate_rows
func.func @gate_rows(%x: tensor<?x64xf32>, %h: tensor<?x32xf32>, %w: tensor<32xf32>) {
  // CHECK: heddle.gate_rows %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<?x32xf32>, tensor<32xf32>
  %y = heddle.gate_rows %x, %h, %w : tensor<?x64xf32>, tensor<?x32xf32>, tensor<32xf32>
  return
}
