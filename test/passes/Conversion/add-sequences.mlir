// RUN: heddle-opt %s --heddle-add-sequences --split-input-file --verify-diagnostics | FileCheck %s

!cache = !heddle.cache<full_kv, layers = 2, heads = 1, dim = 8, elem = f32>

// Of a kind, starts come after what is shared and before its parameters.
// CHECK-LABEL: func.func private @block
// CHECK-SAME: (%{{.*}}: tensor<?x8xf32>, %{{.*}}: !heddle.cache<{{.*}}>, %{{.*}}: index, %{{.*}}: tensor<?x8xf32>, %[[POS:.*]]: tensor<?xi32>, %[[STARTS:.*]]: tensor<?xi32>, %{{.*}}: tensor<8xf32>)
// CHECK: heddle.cache_append {{.*}} at %[[POS]] from %[[STARTS]]
// CHECK: heddle.attention {{.*}} at %[[POS]] from %[[STARTS]] sinks %{{.*}} {heads
func.func private @block(%x: tensor<?x8xf32>, %c: !cache, %slot: index, %angles: tensor<?x8xf32>, %pos: tensor<?xi32>,
                         %w: tensor<8xf32>) -> (tensor<?x8xf32>, !cache) {
  %sinks = heddle.param "sinks" : tensor<1xf32>
  %n = heddle.rms_norm %x, %w {epsilon = 1.0e-5 : f64} : tensor<?x8xf32>, tensor<8xf32>
  %c1 = heddle.cache_append %c[%slot], %n, %n at %pos : !cache, tensor<?x8xf32>, tensor<?xi32>
  %o = heddle.attention %n, %c1[%slot] at %pos sinks %sinks {heads = 1 : i64, scale = 1.0 : f64}
    : tensor<?x8xf32>, !cache, tensor<?xi32>, tensor<1xf32>
  return %o, %c1 : tensor<?x8xf32>, !cache
}

// CHECK-LABEL: func.func @forward
// CHECK-SAME: (%{{[^,]*}}, %[[POSITIONS:[^ ]*]]: tensor<?xi32>, %{{[^,]*}}, %{{.*}}: !heddle.cache<{{.*}}>, %[[FROM:.*]]: tensor<?xi32> {heddle.input = "starts"})
// CHECK: heddle.layers{{.*}} shared{{ ?}}(%{{.*}}, %[[POSITIONS]], %[[FROM]]) kinds [@block]
func.func @forward(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %rows: tensor<?xi32>, %c: !cache) -> tensor<?x8xf32> {
  %table = heddle.param "table" : tensor<16x8xf32>
  %x = heddle.embedding %tokens, %table : tensor<?xi32>, tensor<16x8xf32>
  %y, %c1 = heddle.layers (%x, %c) shared (%x, %pos) kinds [@block] order [0, 0] rows [["a"], ["b"]]
    : (tensor<?x8xf32>, !cache), (tensor<?x8xf32>, tensor<?xi32>) -> (tensor<?x8xf32>, !cache)
  %s = heddle.select_rows %y, %rows : tensor<?x8xf32>, tensor<?xi32>
  return %s : tensor<?x8xf32>
}

// -----

// Nothing goes to a cache.
// CHECK-LABEL: func.func @forward
// CHECK-NOT: heddle.input
func.func @forward(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x8xf32> {
  %table = heddle.param "table" : tensor<16x8xf32>
  %x = heddle.embedding %tokens, %table : tensor<?xi32>, tensor<16x8xf32>
  %s = heddle.select_rows %x, %rows : tensor<?x8xf32>, tensor<?xi32>
  return %s : tensor<?x8xf32>
}

// -----

!cache = !heddle.cache<full_kv, layers = 1, heads = 1, dim = 8, elem = f32>

// A fixed number of tokens: one sequence at a time.
// CHECK-LABEL: func.func @forward
// CHECK-NOT: heddle.input
// CHECK-NOT: from
func.func @forward(%tokens: tensor<4xi32>, %pos: tensor<4xi32>, %rows: tensor<4xi32>, %c: !cache) -> tensor<4x8xf32> {
  %slot = arith.constant 0 : index
  %table = heddle.param "table" : tensor<16x8xf32>
  %x = heddle.embedding %tokens, %table : tensor<4xi32>, tensor<16x8xf32>
  %c1 = heddle.cache_append %c[%slot], %x, %x at %pos : !cache, tensor<4x8xf32>, tensor<4xi32>
  %o = heddle.attention %x, %c1[%slot] at %pos {heads = 1 : i64, scale = 1.0 : f64} : tensor<4x8xf32>, !cache, tensor<4xi32>
  return %o : tensor<4x8xf32>
}

// -----

!cache = !heddle.cache<full_kv, layers = 1, heads = 1, dim = 8, elem = f32>

func.func @forward(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %rows: tensor<?xi32>, %c: !cache) -> tensor<?x8xf32> {
  %slot = arith.constant 0 : index
  %table = heddle.param "table" : tensor<16x8xf32>
  %x = heddle.embedding %tokens, %table : tensor<?xi32>, tensor<16x8xf32>
  // expected-error @+1 {{unsupported: a cache at positions that are no input of @forward, which bounds them}}
  %c1 = heddle.cache_append %c[%slot], %x, %x at %tokens : !cache, tensor<?x8xf32>, tensor<?xi32>
  return %x : tensor<?x8xf32>
}

// -----

!cache = !heddle.cache<full_kv, layers = 1, heads = 1, dim = 8, elem = f32>

func.func @forward(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %rows: tensor<?xi32>, %c: !cache) -> tensor<?x8xf32> {
  %slot = arith.constant 0 : index
  %table = heddle.param "table" : tensor<16x8xf32>
  %x = heddle.embedding %tokens, %table : tensor<?xi32>, tensor<16x8xf32>
  // expected-error @+1 {{unsupported: a cache at starts that are no input of @forward}}
  %o = heddle.attention %x, %c[%slot] at %pos from %tokens {heads = 1 : i64, scale = 1.0 : f64} : tensor<?x8xf32>, !cache, tensor<?xi32>
  return %o : tensor<?x8xf32>
}

// -----

!cache = !heddle.cache<full_kv, layers = 1, heads = 1, dim = 8, elem = f32>

// A function that is called goes to the cache.
// CHECK-LABEL: func.func private @mixed
// CHECK-NOT: from
func.func private @mixed(%x: tensor<?x8xf32>, %c: !cache, %slot: index, %pos: tensor<?xi32>) -> tensor<?x8xf32> {
  %o = heddle.attention %x, %c[%slot] at %pos {heads = 1 : i64, scale = 1.0 : f64} : tensor<?x8xf32>, !cache, tensor<?xi32>
  return %o : tensor<?x8xf32>
}
// CHECK-LABEL: func.func @forward
// CHECK-NOT: heddle.input
// CHECK-NOT: from
func.func @forward(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %rows: tensor<?xi32>, %c: !cache) -> tensor<?x8xf32> {
  %slot = arith.constant 0 : index
  %table = heddle.param "table" : tensor<16x8xf32>
  %x = heddle.embedding %tokens, %table : tensor<?xi32>, tensor<16x8xf32>
  %c1 = heddle.cache_append %c[%slot], %x, %x at %pos : !cache, tensor<?x8xf32>, tensor<?xi32>
  %o = func.call @mixed(%x, %c1, %slot, %pos) : (tensor<?x8xf32>, !cache, index, tensor<?xi32>) -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}
