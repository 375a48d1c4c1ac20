// RUN: heddle-opt %s --heddle-emit-kernels -canonicalize -split-input-file | FileCheck %s

!w = tensor<4x48x64xf32, #heddle.packed<<f32>, rows = 16>>

// An item is a slice of one expert's columns: 4 experts of 3 panels. It passes the rows
// between two offsets, in blocks, and an expert without rows ends at once.
// CHECK: #[[ITEMS:.*]] = affine_map<(d0) -> (12)>
// CHECK-LABEL: func.func private @k1.g
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<?x128xf32>, %[[W:[a-z0-9]+]]: memref<12x64x64xi8>, %[[O:[a-z0-9]+]]: memref<5xi32>, %[[Y:[a-z0-9]+]]: memref<?x96xf32>
// A row a slot.
// CHECK: memref.expand_shape %[[X]] {{\[\[}}0], [1, 2]] {{.*}} : memref<?x128xf32> into memref<?x2x64xf32>
// CHECK: memref.collapse_shape {{.*}} {{\[\[}}0, 1], [2]] : memref<?x2x64xf32> into memref<?x64xf32>
// CHECK: memref.expand_shape %[[Y]] {{.*}} : memref<?x96xf32> into memref<?x2x48xf32>
// CHECK: scf.while
// CHECK-COUNT-2: memref.load %[[O]]
// CHECK: scf.for
// CHECK: arith.minsi
// Tiles of four rows, then code for each number that may be left, with sums of two vectors a row.
// CHECK: scf.for {{.*}} step %c4
// CHECK: %{{.*}}:8 = scf.for {{.*}} to %c64 step %c1 iter_args
// CHECK: scf.index_switch
// CHECK: case 1 {
// CHECK: %{{.*}}:2 = scf.for {{.*}} to %c64 step %c1 iter_args
// CHECK: case 2 {
// CHECK: %{{.*}}:4 = scf.for {{.*}} to %c64 step %c1 iter_args
// CHECK: case 3 {
// CHECK: %{{.*}}:6 = scf.for {{.*}} to %c64 step %c1 iter_args
// CHECK-NOT: case 4
// CHECK: heddle.launch @k1.g{{.*}} items #[[ITEMS]]
func.func @grouped(%x: tensor<?x128xf32>, %w: !w, %o: tensor<5xi32>) -> tensor<?x96xf32> {
  %0 = heddle.kernel "g" (%x, %w, %o) schedule <"experts", {lanes = 8 : i64, token_tile = 4 : i64}> : (tensor<?x128xf32>, !w, tensor<5xi32>) -> tensor<?x96xf32> {
  ^bb0(%a: tensor<?x128xf32>, %b: !w, %c: tensor<5xi32>):
    %1 = heddle.grouped_matmul %a, %b, %c : tensor<?x128xf32>, !w, tensor<5xi32>
    heddle.yield %1 : tensor<?x96xf32>
  }
  return %0 : tensor<?x96xf32>
}

// -----

!w = tensor<4x48x64xf32, #heddle.packed<<f32>, rows = 16>>

// Of one token, a slice of one slot's columns, in the panels of the expert that it names.
// CHECK: #[[ITEMS:.*]] = affine_map<(d0) -> (6)>
// CHECK-LABEL: func.func private @k1.r
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<1x64xf32>, %[[W:[a-z0-9]+]]: memref<12x64x64xi8>, %[[IDS:[a-z0-9]+]]: memref<1x2xi32>, %[[Y:[a-z0-9]+]]: memref<1x96xf32>
// CHECK: memref.load %[[IDS]]
// CHECK: heddle.launch @k1.r{{.*}} items #[[ITEMS]]
func.func @routed(%x: tensor<1x64xf32>, %w: !w, %ids: tensor<1x2xi32>) -> tensor<1x96xf32> {
  %0 = heddle.kernel "r" (%x, %w, %ids) schedule <"experts", {lanes = 8 : i64}> : (tensor<1x64xf32>, !w, tensor<1x2xi32>) -> tensor<1x96xf32> {
  ^bb0(%a: tensor<1x64xf32>, %b: !w, %c: tensor<1x2xi32>):
    %1 = heddle.routed_matmul %a, %b, %c : tensor<1x64xf32>, !w, tensor<1x2xi32>
    heddle.yield %1 : tensor<1x96xf32>
  }
  return %0 : tensor<1x96xf32>
}

// -----

!w = tensor<4x48x64xf32, #heddle.packed<<f32>, rows = 16>>

// With the routing, which every thread computes before it takes an item: stored weights are
// final, since another thread may store the same.
// CHECK-LABEL: func.func private @k1.z
// CHECK-SAME: memref<1x4xf32>, {{.*}}memref<12x64x64xi8>, %[[IDS:[a-z0-9]+]]: memref<1x2xi32>, %[[S:[a-z0-9]+]]: memref<1x2xf32>
// CHECK-COUNT-1: memref.store %{{.*}}, %[[S]]
// CHECK-NOT: memref.store %{{.*}}, %[[S]]
// CHECK: scf.while
func.func @with_route(%x: tensor<1x64xf32>, %z: tensor<1x4xf32>, %w: !w) -> (tensor<1x2xi32>, tensor<1x2xf32>, tensor<1x96xf32>) {
  %0:3 = heddle.kernel "z" (%x, %z, %w) schedule <"experts", {lanes = 8 : i64}> : (tensor<1x64xf32>, tensor<1x4xf32>, !w) -> (tensor<1x2xi32>, tensor<1x2xf32>, tensor<1x96xf32>) {
  ^bb0(%a: tensor<1x64xf32>, %b: tensor<1x4xf32>, %c: !w):
    %ids, %s = heddle.route %b {router = #heddle.router<k = 2, post = softmax, scale = 2.0 : f64>} : tensor<1x4xf32>
    %1 = heddle.routed_matmul %a, %c, %ids : tensor<1x64xf32>, !w, tensor<1x2xi32>
    heddle.yield %ids, %s, %1 : tensor<1x2xi32>, tensor<1x2xf32>, tensor<1x96xf32>
  }
  return %0#0, %0#1, %0#2 : tensor<1x2xi32>, tensor<1x2xf32>, tensor<1x96xf32>
}

// -----

!w = tensor<4x48x64xf32, #heddle.packed<<f32>, rows = 16>>

// With the sum of slots, which pass in order: a product first, then fma, as a combine by itself.
// CHECK: #[[ITEMS:.*]] = affine_map<(d0) -> (3)>
// CHECK-LABEL: func.func private @k1.d
// CHECK: scf.while
// CHECK: memref.load %{{.*}} : memref<1x2xi32>
// CHECK: scf.if
// CHECK: arith.mulf
// CHECK: } else {
// CHECK: math.fma
// CHECK: arith.addf
// CHECK: heddle.launch @k1.d{{.*}} items #[[ITEMS]]
func.func @with_sum(%r: tensor<1x48xf32>, %x: tensor<1x128xf32>, %ids: tensor<1x2xi32>, %s: tensor<1x2xf32>, %w: !w) -> tensor<1x48xf32> {
  %0 = heddle.kernel "d" (%r, %x, %ids, %s, %w) schedule <"experts", {lanes = 8 : i64}> : (tensor<1x48xf32>, tensor<1x128xf32>, tensor<1x2xi32>, tensor<1x2xf32>, !w) -> tensor<1x48xf32> {
  ^bb0(%a: tensor<1x48xf32>, %b: tensor<1x128xf32>, %c: tensor<1x2xi32>, %d: tensor<1x2xf32>, %e: !w):
    %1 = heddle.routed_matmul %b, %e, %c : tensor<1x128xf32>, !w, tensor<1x2xi32>
    %2 = heddle.combine %1, %d : tensor<1x96xf32>, tensor<1x2xf32>
    %3 = arith.addf %a, %2 : tensor<1x48xf32>
    heddle.yield %3 : tensor<1x48xf32>
  }
  return %0 : tensor<1x48xf32>
}

// -----

!w = tensor<4x48x64xf32, #heddle.packed<<f32>, rows = 16>>

// A bias is that of the expert, added to the finished sum, before the slot's weight.
// CHECK-LABEL: func.func private @k1.b
// CHECK-SAME: %[[B:[a-z0-9]+]]: memref<4x48xf32>, %{{[a-z0-9]+}}: memref<1x48xf32>)
// CHECK: %[[ID:.*]] = memref.load %{{.*}} : memref<1x2xi32>
// CHECK: %[[E:.*]] = arith.index_cast %[[ID]]
// CHECK: math.fma
// CHECK: vector.load %[[B]][%[[E]], %{{.*}}] : memref<4x48xf32>, vector<8xf32>
// CHECK: arith.addf
// CHECK: scf.if
// CHECK: arith.mulf
func.func @with_bias(%x: tensor<1x128xf32>, %ids: tensor<1x2xi32>, %s: tensor<1x2xf32>, %w: !w, %bias: tensor<4x48xf32>) -> tensor<1x48xf32> {
  %0 = heddle.kernel "b" (%x, %ids, %s, %w, %bias) schedule <"experts", {lanes = 8 : i64}> : (tensor<1x128xf32>, tensor<1x2xi32>, tensor<1x2xf32>, !w, tensor<4x48xf32>) -> tensor<1x48xf32> {
  ^bb0(%a: tensor<1x128xf32>, %b: tensor<1x2xi32>, %c: tensor<1x2xf32>, %d: !w, %e: tensor<4x48xf32>):
    %1 = heddle.routed_matmul %a, %d, %b bias %e : tensor<1x128xf32>, !w, tensor<1x2xi32>, tensor<4x48xf32>
    %2 = heddle.combine %1, %c : tensor<1x96xf32>, tensor<1x2xf32>
    heddle.yield %2 : tensor<1x48xf32>
  }
  return %0 : tensor<1x48xf32>
}

// -----

!w = tensor<4x48x64xf32, #heddle.packed<<f32>, rows = 16>>

// Of groups of rows, every row of the block gets its group's.
// CHECK-LABEL: func.func private @k1.gb
// CHECK-SAME: %[[B:[a-z0-9]+]]: memref<4x48xf32>, %{{[a-z0-9]+}}: memref<?x96xf32>)
// CHECK: arith.minsi
// CHECK: math.fma
// CHECK: scf.for
// CHECK: vector.load %[[B]]
func.func @grouped_bias(%x: tensor<?x128xf32>, %w: !w, %o: tensor<5xi32>, %bias: tensor<4x48xf32>) -> tensor<?x96xf32> {
  %0 = heddle.kernel "gb" (%x, %w, %o, %bias) schedule <"experts", {lanes = 8 : i64, token_tile = 4 : i64}> : (tensor<?x128xf32>, !w, tensor<5xi32>, tensor<4x48xf32>) -> tensor<?x96xf32> {
  ^bb0(%a: tensor<?x128xf32>, %b: !w, %c: tensor<5xi32>, %d: tensor<4x48xf32>):
    %1 = heddle.grouped_matmul %a, %b, %c bias %d : tensor<?x128xf32>, !w, tensor<5xi32>, tensor<4x48xf32>
    heddle.yield %1 : tensor<?x96xf32>
  }
  return %0 : tensor<?x96xf32>
}

// -----

// The plan is one item; offsets are counted, summed, moved by the placing and moved back.
// CHECK: #[[ITEMS:.*]] = affine_map<(d0) -> (1)>
// CHECK-LABEL: func.func private @k1.p
// CHECK: heddle.launch @k1.p{{.*}} items #[[ITEMS]]
func.func @plan(%ids: tensor<?x2xi32>) -> (tensor<?x2xi32>, tensor<?x2xi32>, tensor<5xi32>) {
  %0:3 = heddle.kernel "p" (%ids) schedule <"plan", {lanes = 8 : i64}> : (tensor<?x2xi32>) -> (tensor<?x2xi32>, tensor<?x2xi32>, tensor<5xi32>) {
  ^bb0(%a: tensor<?x2xi32>):
    %1:3 = heddle.plan %a {experts = 4 : i64} : tensor<?x2xi32>
    heddle.yield %1#0, %1#1, %1#2 : tensor<?x2xi32>, tensor<?x2xi32>, tensor<5xi32>
  }
  return %0#0, %0#1, %0#2 : tensor<?x2xi32>, tensor<?x2xi32>, tensor<5xi32>
}

// -----

!w = tensor<4x48x64xf32, #heddle.packed<<f32>, rows = 16, table = true>>

// With a table, an expert is where that says, and its panels are counted from its own first; what is
// chosen is fetched before items are taken.
// CHECK-LABEL: func.func private @k1.t
// CHECK-SAME: %[[W:[a-z0-9]+]]: memref<6xi64>, %[[IDS:[a-z0-9]+]]: memref<1x2xi32>
// CHECK: heddle_rt.fetch %[[W]], %[[IDS]] : memref<6xi64>, memref<1x2xi32>
// CHECK: scf.while
// CHECK: %[[ID:.*]] = memref.load %[[IDS]]
// CHECK: %[[E:.*]] = arith.index_cast %[[ID]]
// CHECK: %[[M:.*]] = heddle_rt.expert %[[W]][%[[E]]] : memref<6xi64> -> memref<3x64x64xi8>
// CHECK: vector.load %[[M]][
func.func @with_table(%x: tensor<1x64xf32>, %w: !w, %ids: tensor<1x2xi32>) -> tensor<1x96xf32> {
  %0 = heddle.kernel "t" (%x, %w, %ids) schedule <"experts", {lanes = 8 : i64}> : (tensor<1x64xf32>, !w, tensor<1x2xi32>) -> tensor<1x96xf32> {
  ^bb0(%a: tensor<1x64xf32>, %b: !w, %c: tensor<1x2xi32>):
    heddle.fetch %c of %b : tensor<1x2xi32>, !w
    %1 = heddle.routed_matmul %a, %b, %c : tensor<1x64xf32>, !w, tensor<1x2xi32>
    heddle.yield %1 : tensor<1x96xf32>
  }
  return %0 : tensor<1x96xf32>
}
