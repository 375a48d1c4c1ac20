// RUN: heddle-opt %s --heddle-emit-kernels -canonicalize -split-input-file | FileCheck %s

!cache = !heddle.cache<full_kv, layers = 1, heads = 2, dim = 8, elem = f32, block = 16>

// An item is a tile of three tokens and a KV head; both query heads that share it read a key
// once. Segments start at the first; a block of keys meets all tokens of the tile before the
// next, and so do columns of values.
// CHECK: #[[ITEMS:.*]] = affine_map<(d0) -> ((d0 ceildiv 3) * 2)>
// CHECK-LABEL: func.func private @k1.full
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[TILE:.*]] = arith.constant 3 : index
// A group is the tile: its queries side by side, and what it sums of values.
// CHECK: memref.alloca() {{.*}} memref<1x8x6xf32>
// CHECK: memref.alloca() {{.*}} memref<6x8xf32>
// The tiles of a head are items one after the other; the last tile has what is left.
// CHECK: memref.dim
// CHECK-NEXT: arith.addi
// CHECK-NEXT: %[[TILES:.*]] = arith.divui
// CHECK-NEXT: arith.remui %[[ITEM:.*]], %[[TILES]]
// CHECK-NEXT: arith.divui %[[ITEM]], %[[TILES]]
// CHECK: %[[TOKENS:.*]] = arith.minsi %{{.*}}, %[[TILE]]
// More than two tokens of one sequence, as without `starts` all are.
// CHECK: %[[GROUPS:.*]] = arith.cmpi sgt, %[[TOKENS]], %{{.*}}
// CHECK: scf.if %[[GROUPS]]
// CHECK: scf.for %[[S:.*]] = %{{.*}} to %{{.*}} step
// Three tokens, two heads of each and two vectors of keys; then 6 rows of weights and a vector of
// values, up to the last key that all of the group see.
// CHECK: scf.for %{{.*}} = %[[ZERO]] to %{{.*}} step %{{.*}} iter_args
// CHECK-COUNT-12: math.fma
// CHECK: math.exp
// CHECK: arith.cmpi eq
// CHECK: %[[TOGETHER:.*]] = arith.andi
// CHECK: scf.for
// CHECK-COUNT-6: math.fma
// What only some see comes after, in the order of keys.
// CHECK: %[[REST:.*]] = arith.select %[[TOGETHER]]
// CHECK: scf.for %{{.*}} = %[[REST]] to
// CHECK-COUNT-2: math.fma
// CHECK: } else {
// Each token by itself: one loop over the head's elements, sums of two heads.
// CHECK: scf.for %{{.*}} = %[[ZERO]] to %[[TOKENS]]
// CHECK: scf.if
// CHECK: scf.for {{.*}} -> (vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>)
// CHECK-COUNT-4: math.fma
// CHECK: math.exp
// CHECK: scf.for %[[TOKEN:.*]] = %[[ZERO]] to %[[TOKENS]]
// CHECK: scf.for {{.*}} -> (vector<8xf32>, vector<8xf32>)
// CHECK-COUNT-2: math.fma
func.func @full(%q: tensor<?x32xf32>, %c: !cache, %slot: index, %pos: tensor<?xi32>) -> tensor<?x32xf32> {
  // CHECK: heddle.launch @k1.full{{.*}} items #[[ITEMS]]
  %0 = heddle.kernel "full" (%q, %c, %slot, %pos) schedule <"attention", {lanes = 8 : i64, segment = 128 : i64, token_tile = 3 : i64}>
      : (tensor<?x32xf32>, !cache, index, tensor<?xi32>) -> tensor<?x32xf32> {
  ^bb0(%a: tensor<?x32xf32>, %k: !cache, %s: index, %p: tensor<?xi32>):
    %1 = heddle.attention %a, %k[%s] at %p {heads = 4 : i64, scale = 0.5 : f64} : tensor<?x32xf32>, !cache, tensor<?xi32>
    heddle.yield %1 : tensor<?x32xf32>
  }
  return %0 : tensor<?x32xf32>
}

// -----

!cache = !heddle.cache<full_kv, layers = 1, heads = 1, dim = 8, elem = f32, block = 16>

// With a window, from the segment of key max(0, position + 1 - window): whole segments before
// it are skipped.
// CHECK-LABEL: func.func private @k1.window
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[MINUS:.*]] = arith.constant -4 : index
// CHECK-DAG: %[[SEGMENT:.*]] = arith.constant 128 : index
// CHECK: %[[BEYOND:.*]] = arith.addi %{{.*}}, %[[MINUS]] : index
// CHECK: %[[FROM:.*]] = arith.maxsi %[[BEYOND]], %[[ZERO]] : index
// CHECK: %[[RANGE:.*]]:2 = scf.for {{.*}} iter_args(%{{.*}} = %[[FROM]], %{{.*}})
// CHECK: %[[START:.*]] = arith.divui %[[RANGE]]#0, %[[SEGMENT]] : index
// CHECK: scf.for %{{.*}} = %[[START]] to
func.func @window(%q: tensor<?x8xf32>, %c: !cache, %slot: index, %pos: tensor<?xi32>) -> tensor<?x8xf32> {
  %0 = heddle.kernel "window" (%q, %c, %slot, %pos) schedule <"attention", {lanes = 8 : i64, segment = 128 : i64}>
      : (tensor<?x8xf32>, !cache, index, tensor<?xi32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>, %k: !cache, %s: index, %p: tensor<?xi32>):
    %1 = heddle.attention %a, %k[%s] at %p {heads = 1 : i64, scale = 0.5 : f64, window = 5 : i64} : tensor<?x8xf32>, !cache, tensor<?xi32>
    heddle.yield %1 : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

!cache = !heddle.cache<mla_latent, layers = 1, heads = 1, dim = 8, elem = f32, block = 16>

// Of one token whose heads share one key, an item is some passes over two heads each, as many as there
// are threads to share them; what is over has items that end at once.
// CHECK: #[[ITEMS:.*]] = affine_map<(d0) -> (d0 * 4)>
// CHECK-LABEL: func.func private @k1.latent
// CHECK-SAME: %{{[a-z0-9]+}}: index, %[[THREADS:[a-z0-9]+]]: index, %{{[a-z0-9]+}}: memref<1x64xf32>
// CHECK: %[[SHARES:.*]] = arith.minsi %[[THREADS]], %c4
// CHECK: %[[FIRST:.*]] = arith.divui %{{.*}}, %[[SHARES]]
// CHECK: %[[END:.*]] = arith.divui %{{.*}}, %[[SHARES]]
// CHECK: arith.cmpi slt, %{{.*}}, %[[SHARES]]
// CHECK: scf.if
// Segments outside, so that a segment is near for all passes.
// CHECK: scf.for %{{.*}} = %[[FIRST]] to %[[END]]
// CHECK: scf.for
// CHECK: scf.for %[[PASS:.*]] = %[[FIRST]] to %[[END]]
// CHECK: arith.muli %[[PASS]], %c2
func.func @latent(%q: tensor<1x64xf32>, %c: !cache, %slot: index, %pos: tensor<1xi32>) -> tensor<1x64xf32> {
  // CHECK: heddle.launch @k1.latent{{.*}} items #[[ITEMS]]
  %0 = heddle.kernel "latent" (%q, %c, %slot, %pos) schedule <"attention", {lanes = 8 : i64, segment = 128 : i64, head_tile = 2 : i64}>
      : (tensor<1x64xf32>, !cache, index, tensor<1xi32>) -> tensor<1x64xf32> {
  ^bb0(%a: tensor<1x64xf32>, %k: !cache, %s: index, %p: tensor<1xi32>):
    %1 = heddle.attention %a, %k[%s] at %p {heads = 8 : i64, scale = 0.5 : f64} : tensor<1x64xf32>, !cache, tensor<1xi32>
    heddle.yield %1 : tensor<1x64xf32>
  }
  return %0 : tensor<1x64xf32>
}

// -----

!cache = !heddle.cache<full_kv, layers = 1, heads = 1, dim = 8, elem = f32, block = 16>

// Tokens of several sequences are on different keys: a tile whose tokens do not start at one
// place takes each by itself. Many heads on one key fill the sums with one token, without groups.
// CHECK-LABEL: func.func private @k2.heads
// CHECK-NOT: -> (i1)
// CHECK: return
// CHECK-LABEL: func.func private @k1.sequences
// CHECK: %[[GROUPS:.*]] = scf.for {{.*}} -> (i1)
// CHECK: arith.cmpi eq
// CHECK: arith.andi
// CHECK: scf.if %[[GROUPS]]
func.func @sequences(%q: tensor<?x8xf32>, %p64: tensor<?x64xf32>, %c: !cache, %slot: index, %pos: tensor<?xi32>, %starts: tensor<?xi32>)
    -> (tensor<?x8xf32>, tensor<?x64xf32>) {
  %0 = heddle.kernel "sequences" (%q, %c, %slot, %pos, %starts) schedule <"attention", {lanes = 8 : i64, segment = 128 : i64, token_tile = 4 : i64}>
      : (tensor<?x8xf32>, !cache, index, tensor<?xi32>, tensor<?xi32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>, %k: !cache, %s: index, %p: tensor<?xi32>, %f: tensor<?xi32>):
    %1 = heddle.attention %a, %k[%s] at %p from %f {heads = 1 : i64, scale = 0.5 : f64} : tensor<?x8xf32>, !cache, tensor<?xi32>
    heddle.yield %1 : tensor<?x8xf32>
  }
  %2 = heddle.kernel "heads" (%p64, %c, %slot, %pos, %starts) schedule <"attention", {lanes = 8 : i64, segment = 128 : i64, token_tile = 4 : i64}>
      : (tensor<?x64xf32>, !cache, index, tensor<?xi32>, tensor<?xi32>) -> tensor<?x64xf32> {
  ^bb0(%a: tensor<?x64xf32>, %k: !cache, %s: index, %p: tensor<?xi32>, %f: tensor<?xi32>):
    %1 = heddle.attention %a, %k[%s] at %p from %f {heads = 8 : i64, scale = 0.5 : f64} : tensor<?x64xf32>, !cache, tensor<?xi32>
    heddle.yield %1 : tensor<?x64xf32>
  }
  return %0, %2 : tensor<?x8xf32>, tensor<?x64xf32>
}
