// RUN: heddle-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{(C1) k = 0, limit 1 to 256}}
func.func private @f() attributes {r = #heddle.router<k = 0>}

// -----

// expected-error @below {{(C1) k = 257, limit 1 to 256}}
func.func private @f() attributes {r = #heddle.router<k = 257>}

// -----

// expected-error @below {{(C2) score = relu, limit softmax, sigmoid, sqrt_softplus, none}}
func.func private @f() attributes {r = #heddle.router<k = 1, score = relu>}

// -----

// expected-error @below {{(C2) post = relu, limit none, softmax, sigmoid}}
func.func private @f() attributes {r = #heddle.router<k = 1, post = relu>}

// -----

// expected-error @below {{(C2) norm = max, limit none, sum, clamp_min}}
func.func private @f() attributes {r = #heddle.router<k = 1, norm = max>}

// -----

// expected-error @below {{(C2) reduce = min, limit max, sum_top2}}
func.func private @f() attributes {r = #heddle.router<k = 1, reduce = min>}

// -----

// expected-error @below {{(C2) fill = one, limit neg_inf, zero}}
func.func private @f() attributes {r = #heddle.router<k = 1, fill = one>}

// -----

// expected-error @below {{(C3) groups, keep = 0, 1, limit 1 to 65536, 1 to groups}}
func.func private @f() attributes {r = #heddle.router<k = 1, groups = 0>}

// -----

// expected-error @below {{(C3) groups, keep = 4, 5, limit 1 to 65536, 1 to groups}}
func.func private @f() attributes {r = #heddle.router<k = 1, groups = 4, keep = 5>}

// -----

// expected-error @below {{(C4) norm = sum after post = softmax}}
func.func private @f() attributes {r = #heddle.router<k = 1, post = softmax, norm = sum>}

// -----

// expected-error @below {{(C5) eps, scale = -1.000000e+00, 1.000000e+00, limit not negative, not 0}}
func.func private @f() attributes {r = #heddle.router<k = 1, eps = -1.0 : f64>}

// -----

// expected-error @below {{(C5) eps, scale = 0.000000e+00, 0.000000e+00, limit not negative, not 0}}
func.func private @f() attributes {r = #heddle.router<k = 1, scale = 0.0 : f64>}

// -----

func.func @route_R3(%z: tensor<?x8xf32>) {
  // expected-error @below {{(R3) k = 9, limit 1 to 8}}
  %i, %w = heddle.route %z {router = #heddle.router<k = 9>} : tensor<?x8xf32>
  return
}

// -----

func.func @route_C1_groups(%z: tensor<?x8xf32>) {
  // expected-error @below {{(C1) k = 5, limit 4 experts}}
  %i, %w = heddle.route %z {router = #heddle.router<k = 5, groups = 4, keep = 2>} : tensor<?x8xf32>
  return
}

// -----

func.func @route_C2(%z: tensor<?x8xf32>) {
  // expected-error @below {{(C2) groups = 3 does not divide 8 experts}}
  %i, %w = heddle.route %z {router = #heddle.router<k = 1, groups = 3>} : tensor<?x8xf32>
  return
}

// -----

func.func @route_C2_pairs(%z: tensor<?x8xf32>) {
  // expected-error @below {{(C2) groups = 8 does not divide 8 experts into two or more a group}}
  %i, %w = heddle.route %z {router = #heddle.router<k = 1, groups = 8, reduce = sum_top2>} : tensor<?x8xf32>
  return
}

// -----

func.func @route_C3(%z: tensor<?x8xf32>, %b: tensor<7xf32>) {
  // expected-error @below {{(C3) select_bias has 7 elements, needs 8}}
  %i, %w = heddle.route %z, %b {router = #heddle.router<k = 1>} : tensor<?x8xf32>, tensor<7xf32>
  return
}

// -----

func.func @route_needs(%z: tensor<?x8xf32>) {
  // expected-error @below {{needs the attribute router}}
  %i, %w = heddle.route %z : tensor<?x8xf32>
  return
}

// -----

func.func @experts_C1(%x: tensor<?x64xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %g: tensor<8x96x64xf32>, %u: tensor<8x95x64xf32>, %d: tensor<8x64x96xf32>) {
  // expected-error @below {{(C1) gate and up are}}
  %y = heddle.experts %x, %ids, %w, %g, %u, %d {activation = #heddle.activation<silu>} : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x96x64xf32>, tensor<8x95x64xf32>, tensor<8x64x96xf32>
  return
}

// -----

func.func @experts_C1_width(%x: tensor<?x63xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %g: tensor<8x96x64xf32>, %u: tensor<8x96x64xf32>, %d: tensor<8x64x96xf32>) {
  // expected-error @below {{x has width 63}}
  %y = heddle.experts %x, %ids, %w, %g, %u, %d {activation = #heddle.activation<silu>} : tensor<?x63xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x96x64xf32>, tensor<8x96x64xf32>, tensor<8x64x96xf32>
  return
}

// -----

func.func @experts_C2(%x: tensor<?x64xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %g: tensor<8x96x64xf32>, %u: tensor<8x96x64xf32>, %d: tensor<7x64x96xf32>) {
  // expected-error @below {{(C2) down is 'tensor<7x64x96xf32>', needs 8 experts of width 96}}
  %y = heddle.experts %x, %ids, %w, %g, %u, %d {activation = #heddle.activation<silu>} : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x96x64xf32>, tensor<8x96x64xf32>, tensor<7x64x96xf32>
  return
}

// -----

func.func @experts_C2_width(%x: tensor<?x64xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %g: tensor<8x96x64xf32>, %u: tensor<8x96x64xf32>, %d: tensor<8x64x95xf32>) {
  // expected-error @below {{(C2) down is 'tensor<8x64x95xf32>', needs 8 experts of width 96}}
  %y = heddle.experts %x, %ids, %w, %g, %u, %d {activation = #heddle.activation<silu>} : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x96x64xf32>, tensor<8x96x64xf32>, tensor<8x64x95xf32>
  return
}

// -----

func.func @experts_C3(%x: tensor<?x64xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x3xf32>, %g: tensor<8x96x64xf32>, %u: tensor<8x96x64xf32>, %d: tensor<8x64x96xf32>) {
  // expected-error @below {{(C3) ids and weights are}}
  %y = heddle.experts %x, %ids, %w, %g, %u, %d {activation = #heddle.activation<silu>} : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x3xf32>, tensor<8x96x64xf32>, tensor<8x96x64xf32>, tensor<8x64x96xf32>
  return
}

// -----

func.func @experts_C3_tokens(%x: tensor<1x64xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %g: tensor<8x96x64xf32>, %u: tensor<8x96x64xf32>, %d: tensor<8x64x96xf32>) {
  // expected-error @below {{(C3) ids and weights are}}
  %y = heddle.experts %x, %ids, %w, %g, %u, %d {activation = #heddle.activation<silu>} : tensor<1x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x96x64xf32>, tensor<8x96x64xf32>, tensor<8x64x96xf32>
  return
}

// -----

func.func @experts_C4(%x: tensor<?x64xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %g: tensor<8x96x64xf32>, %u: tensor<8x96x64xf32>, %d: tensor<8x64x96xf32>) {
  // expected-error @below {{(C4) group = 64 does not divide 96}}
  %y = heddle.experts %x, %ids, %w, %g, %u, %d {activation = #heddle.activation<silu>, hidden = #heddle.rows<i8, group = 64>} : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x96x64xf32>, tensor<8x96x64xf32>, tensor<8x64x96xf32>
  return
}

// -----

func.func @plan_C1(%ids: tensor<?x2xi32>) {
  // expected-error @below {{(C1) experts = 0, limit 1 to 65536}}
  %a, %b, %c = heddle.plan %ids {experts = 0 : i64} : tensor<?x2xi32>
  return
}

// -----

func.func @plan_C1_many(%ids: tensor<?x2xi32>) {
  // expected-error @below {{(C1) experts = 65537, limit 1 to 65536}}
  %a, %b, %c = heddle.plan %ids {experts = 65537 : i64} : tensor<?x2xi32>
  return
}

// -----

func.func @dispatch_C1(%x: tensor<4x64xf32>, %o: tensor<?x2xi32>) {
  // expected-error @below {{(C1) makes}}
  %y = heddle.dispatch %x, %o : tensor<4x64xf32>, tensor<?x2xi32>
  return
}

// -----

func.func @dispatch_C2(%x: tensor<?x48xf32, #heddle.rows<i8, group = 32>>, %o: tensor<?x2xi32>) {
  // expected-error @below {{(C2) a unit of 32 of the rows' form does not divide 48}}
  %y = heddle.dispatch %x, %o : tensor<?x48xf32, #heddle.rows<i8, group = 32>>, tensor<?x2xi32>
  return
}

// -----

func.func @grouped_C1(%x: tensor<?x100xf32>, %w: tensor<8x96x64xf32>, %o: tensor<9xi32>) {
  // expected-error @below {{(C1) x has width 100, rows of the weight 64}}
  %y = heddle.grouped_matmul %x, %w, %o : tensor<?x100xf32>, tensor<8x96x64xf32>, tensor<9xi32>
  return
}

// -----

func.func @grouped_C2(%x: tensor<?x128xf32>, %w: tensor<8x96x64xf32>, %o: tensor<8xi32>) {
  // expected-error @below {{(C2) offsets has 8 elements, needs 9}}
  %y = heddle.grouped_matmul %x, %w, %o : tensor<?x128xf32>, tensor<8x96x64xf32>, tensor<8xi32>
  return
}

// -----

func.func @routed_C1(%x: tensor<?x192xf32>, %w: tensor<8x96x64xf32>, %ids: tensor<?x2xi32>) {
  // expected-error @below {{(C1) x has width 192, needs 64 or 2 times that}}
  %y = heddle.routed_matmul %x, %w, %ids : tensor<?x192xf32>, tensor<8x96x64xf32>, tensor<?x2xi32>
  return
}

// -----

func.func @routed_C2(%x: tensor<1x64xf32>, %w: tensor<8x96x64xf32>, %ids: tensor<?x2xi32>) {
  // expected-error @below {{(C2) x, ids and result have different tokens}}
  %y = heddle.routed_matmul %x, %w, %ids : tensor<1x64xf32>, tensor<8x96x64xf32>, tensor<?x2xi32>
  return
}

// -----

func.func @combine_C1(%y: tensor<?x65xf32>, %w: tensor<?x2xf32>) {
  // expected-error @below {{(C1) ys is 'tensor<?x65xf32>', which 2 slots do not divide}}
  %z = heddle.combine %y, %w : tensor<?x65xf32>, tensor<?x2xf32>
  return
}

// -----

func.func @combine_C2(%y: tensor<?x64xf32>, %w: tensor<?x2xf32>, %p: tensor<?x3xi32>) {
  // expected-error @below {{(C2) position is 'tensor<?x3xi32>', weights 'tensor<?x2xf32>'}}
  %z = heddle.combine %y, %w, %p : tensor<?x64xf32>, tensor<?x2xf32>, tensor<?x3xi32>
  return
}

// -----

func.func @gate_rows_C1(%x: tensor<?x64xf32>, %w: tensor<63xf32>) {
  // expected-error @below {{(C1) weight has 63 elements, needs 64}}
  %y = heddle.gate_rows %x, %x, %w : tensor<?x64xf32>, tensor<?x64xf32>, tensor<63xf32>
  return
}

// -----

func.func @experts_C5(%x: tensor<?x64xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %g: tensor<8x96x64xf32>, %d: tensor<8x64x96xf32>, %b: tensor<8x96xf32>) {
  // expected-error @below {{(C5) a bias is 'tensor<8x96xf32>', the weight 'tensor<8x64x96xf32>'}}
  %y = heddle.experts %x, %ids, %w, %g, %g, %d biases(%b, %b, %b) {activation = #heddle.activation<silu>} : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x96x64xf32>, tensor<8x96x64xf32>, tensor<8x64x96xf32> biases(tensor<8x96xf32>, tensor<8x96xf32>, tensor<8x96xf32>)
  return
}

// -----

func.func @experts_C5_absent(%x: tensor<?x64xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %g: tensor<8x96x64xf32>, %d: tensor<8x64x96xf32>, %b: tensor<8x96xf32>) {
  // expected-error @below {{(C5) a bias is 'tensor<8x96xf32>', the weight 'tensor<8x96x64xf32>'}}
  %y = "heddle.experts"(%x, %ids, %w, %g, %g, %d, %b) {activation = #heddle.activation<silu>, operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1, 1, 0, 0>} : (tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x96x64xf32>, tensor<8x96x64xf32>, tensor<8x64x96xf32>, tensor<8x96xf32>) -> tensor<?x64xf32>
  return
}

// -----

func.func @experts_encoded_bias(%x: tensor<?x64xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %g: tensor<8x96x64xf32>, %d: tensor<8x64x96xf32>, %b: tensor<8x96xf32, #heddle.enc<f32>>, %c: tensor<8x64xf32>) {
  // expected-error @below {{operand #6 must be 2D tensor of f32 without an encoding}}
  %y = heddle.experts %x, %ids, %w, %g, %g, %d biases(%b, %b, %c) {activation = #heddle.activation<silu>} : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x96x64xf32>, tensor<8x96x64xf32>, tensor<8x64x96xf32> biases(tensor<8x96xf32, #heddle.enc<f32>>, tensor<8x96xf32, #heddle.enc<f32>>, tensor<8x64xf32>)
  return
}

// -----

func.func @grouped_C3(%x: tensor<?x128xf32>, %w: tensor<8x96x64xf32>, %o: tensor<9xi32>, %b: tensor<8x95xf32>) {
  // expected-error @below {{(C3) bias is 'tensor<8x95xf32>', the weight 'tensor<8x96x64xf32>'}}
  %y = heddle.grouped_matmul %x, %w, %o bias %b : tensor<?x128xf32>, tensor<8x96x64xf32>, tensor<9xi32>, tensor<8x95xf32>
  return
}

// -----

func.func @routed_C3(%x: tensor<1x64xf32>, %w: tensor<8x96x64xf32>, %ids: tensor<1x2xi32>, %b: tensor<7x96xf32>) {
  // expected-error @below {{(C3) bias is 'tensor<7x96xf32>', the weight 'tensor<8x96x64xf32>'}}
  %y = heddle.routed_matmul %x, %w, %ids bias %b : tensor<1x64xf32>, tensor<8x96x64xf32>, tensor<1x2xi32>, tensor<7x96xf32>
  return
}

// -----

// expected-error @below {{(C1) limit of silu, limit: of oai alone}}
func.func private @f() attributes {a = #heddle.activation<silu, limit = 7.0 : f64>}

// -----

// expected-error @below {{(C2) limit = 0.000000e+00, limit positive and finite}}
func.func private @f() attributes {a = #heddle.activation<oai, limit = 0.0 : f64>}

// -----

// expected-error @below {{(C2) alpha = INF, limit positive and finite}}
func.func private @f() attributes {a = #heddle.activation<oai, alpha = 1.0e39 : f64>}

// -----

func.func @fetch_C1(%ids: tensor<1x2xi32>, %w: tensor<8x96x64xf32, #heddle.packed<<f32>, rows = 32>>) {
  // expected-error @below {{(C1) the weight 'tensor<8x96x64xf32, #heddle.packed<<f32>, rows = 32>>' has no table}}
  heddle.fetch %ids of %w : tensor<1x2xi32>, tensor<8x96x64xf32, #heddle.packed<<f32>, rows = 32>>
  return
}

// -----

func.func @fetch_C2(%o: tensor<8xi32>, %w: tensor<8x96x64xf32, #heddle.packed<<f32>, rows = 32, table = true>>) {
  // expected-error @below {{(C2) 8 offsets, limit 9}}
  heddle.fetch %o of %w : tensor<8xi32>, tensor<8x96x64xf32, #heddle.packed<<f32>, rows = 32, table = true>>
  return
}

// -----

// expected-error @below {{(C3) a table of matrices with rank 2, limit 3}}
func.func private @f(tensor<4x8xf32, #heddle.packed<<f32>, rows = 32, table = true>>)

// -----

func.func @custom_route_C1(%z: tensor<?x8xf32>, %b: tensor<7xf32>) {
  // expected-error @below {{(C1) select_bias has 7 elements, needs 8}}
  %ids, %w = heddle.custom_route %z, %b : (tensor<?x8xf32>, tensor<7xf32>) -> (tensor<?x1xi32>, tensor<?x1xf32>) {
  ^bb0(%row: tensor<1x8xf32>, %bias: tensor<7xf32>):
    %i = arith.constant dense<0> : tensor<1x1xi32>
    %s = arith.constant dense<1.0> : tensor<1x1xf32>
    heddle.yield %i, %s : tensor<1x1xi32>, tensor<1x1xf32>
  }
  return
}

// -----

func.func @custom_route_C2(%z: tensor<?x8xf32>) {
  // expected-error @below {{(C2) the region yields}}
  %ids, %w = heddle.custom_route %z : (tensor<?x8xf32>) -> (tensor<?x1xi32>, tensor<?x1xf32>) {
  ^bb0(%row: tensor<1x8xf32>):
    %i = arith.constant dense<0> : tensor<1x2xi32>
    %s = arith.constant dense<1.0> : tensor<1x2xf32>
    heddle.yield %i, %s : tensor<1x2xi32>, tensor<1x2xf32>
  }
  return
}

// -----

func.func @custom_route_C3(%z: tensor<?x8xf32>) {
  %ids, %w = heddle.custom_route %z : (tensor<?x8xf32>) -> (tensor<?x1xi32>, tensor<?x1xf32>) {
  ^bb0(%row: tensor<1x8xf32>):
    // expected-error @below {{(C3) is no part of a routing}}
    %m = memref.alloc() : memref<4xf32>
    %i = arith.constant dense<0> : tensor<1x1xi32>
    %s = arith.constant dense<1.0> : tensor<1x1xf32>
    heddle.yield %i, %s : tensor<1x1xi32>, tensor<1x1xf32>
  }
  return
}

// -----

func.func @custom_route_C5(%z: tensor<?x8xf32>) {
  %ids, %w = heddle.custom_route %z : (tensor<?x8xf32>) -> (tensor<?x1xi32>, tensor<?x1xf32>) {
  ^bb0(%row: tensor<1x8xf32>):
    %i = arith.constant dense<0> : tensor<1x1xi32>
    // expected-error @below {{(C5) of a routing must divide by a positive constant}}
    %j = arith.divsi %i, %i : tensor<1x1xi32>
    %s = arith.constant dense<1.0> : tensor<1x1xf32>
    heddle.yield %j, %s : tensor<1x1xi32>, tensor<1x1xf32>
  }
  return
}

// -----

func.func @experts_C6(%z: tensor<?x7xf32>, %x: tensor<?x64xf32>, %w: tensor<8x96x64xf32>, %d: tensor<8x64x96xf32>) {
  %ids, %p = heddle.route %z {router = #heddle.router<k = 2>} : tensor<?x7xf32>
  // expected-error @below {{(C6) the router has 7 logits, needs 8 as of experts}}
  %y = heddle.experts %x, %ids, %p, %w, %w, %d {activation = #heddle.activation<silu>} : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, tensor<8x96x64xf32>, tensor<8x96x64xf32>, tensor<8x64x96xf32>
  return
}

// -----

func.func @custom_route_C4(%z: tensor<?x8xf32>) {
  %ids, %w = heddle.custom_route %z : (tensor<?x8xf32>) -> (tensor<?x1xi32>, tensor<?x1xf32>) {
  ^bb0(%row: tensor<1x8xf32>):
    %i = arith.constant dense<0> : tensor<1x1xi32>
    %n = arith.constant 1 : index
    // expected-error @below {{(C4) of a routing must be static}}
    %s = tensor.extract_slice %row[0, %n] [1, 1] [1, 1] : tensor<1x8xf32> to tensor<1x1xf32>
    heddle.yield %i, %s : tensor<1x1xi32>, tensor<1x1xf32>
  }
  return
}

// -----

func.func @router_R2(%z: tensor<?x8xf32>) {
  // expected-error @below {{(R2) ids and weights are 'tensor<?x1xi32>' and 'tensor<?x2xf32>', needs i32 and f32 [T, k] of the logits' T}}
  %ids, %w = heddle.custom_route %z : (tensor<?x8xf32>) -> (tensor<?x1xi32>, tensor<?x2xf32>) {
  ^bb0(%row: tensor<1x8xf32>):
    %i = arith.constant dense<0> : tensor<1x1xi32>
    %s = arith.constant dense<1.0> : tensor<1x2xf32>
    heddle.yield %i, %s : tensor<1x1xi32>, tensor<1x2xf32>
  }
  return
}

// -----

func.func @router_R1(%z: tensor<?x65537xf32>) {
  // expected-error @below {{(R1) logits are 'tensor<?x65537xf32>', needs f32 [T, 1 to 65536]}}
  %ids, %w = heddle.custom_route %z : (tensor<?x65537xf32>) -> (tensor<?x1xi32>, tensor<?x1xf32>) {
  ^bb0(%row: tensor<1x65537xf32>):
    %i = arith.constant dense<0> : tensor<1x1xi32>
    %s = arith.constant dense<1.0> : tensor<1x1xf32>
    heddle.yield %i, %s : tensor<1x1xi32>, tensor<1x1xf32>
  }
  return
}
