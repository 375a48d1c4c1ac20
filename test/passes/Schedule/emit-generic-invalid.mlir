// RUN: heddle-opt %s --heddle-emit-kernels -split-input-file -verify-diagnostics -allow-unregistered-dialect

func.func @unknown(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = heddle.kernel "k" (%x) schedule <"generic", {lanes = 4 : i64}> : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    // expected-error @below {{unsupported: no emitter for stranger.op, and no lowering to linalg}}
    %1 = "stranger.op"(%a) : (tensor<?x8xf32>) -> tensor<?x8xf32>
    heddle.yield %1 : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

// Row by row only where the op says that rows are independent.
func.func @not_row_wise(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = heddle.kernel "k" (%x) schedule <"rows", {lanes = 4 : i64}> : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    // expected-error @below {{unsupported: no emitter for stranger.op row by row}}
    %1 = "stranger.op"(%a) : (tensor<?x8xf32>) -> tensor<?x8xf32>
    heddle.yield %1 : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

// An op with an emitter, and no lowering, sent the generic way.
func.func @no_lowering(%p: tensor<?xi32>) -> tensor<?x8xf32> {
  %0 = heddle.kernel "k" (%p) schedule <"rows", {lanes = 4 : i64, generic = ["heddle.rope_angles"]}> : (tensor<?xi32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?xi32>):
    // expected-error @below {{unsupported: no emitter for heddle.rope_angles, and no lowering to linalg}}
    %1 = heddle.rope_angles %a {dim = 8 : i64, theta = 1.0e4 : f64} : tensor<?xi32>
    heddle.yield %1 : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

!weight = tensor<20x32xf32, #heddle.packed<<i8, group = 32, scale = true>, rows = 1>>
func.func @packed(%x: tensor<?x32xf32>, %w: !weight) -> tensor<?x20xf32> {
  %0 = heddle.kernel "k" (%x, %w) schedule <"generic", {lanes = 4 : i64}> : (tensor<?x32xf32>, !weight) -> tensor<?x20xf32> {
  ^bb0(%a: tensor<?x32xf32>, %b: !weight):
    // expected-error @below {{unsupported: no emitter for heddle.linear, and its operand 1 has encoding #heddle.packed<<i8, group = 32, scale = true>, rows = 1>}}
    %1 = heddle.linear %a, %b : tensor<?x32xf32>, !weight
    heddle.yield %1 : tensor<?x20xf32>
  }
  return %0 : tensor<?x20xf32>
}

// -----

!weight = tensor<20x32xf32, #heddle.packed<<f32>, rows = 4>>
func.func @panels(%x: tensor<?x32xf32>, %w: !weight) -> tensor<?x20xf32> {
  %0 = heddle.kernel "k" (%x, %w) schedule <"generic", {lanes = 4 : i64}> : (tensor<?x32xf32>, !weight) -> tensor<?x20xf32> {
  ^bb0(%a: tensor<?x32xf32>, %b: !weight):
    // expected-error @below {{unsupported: no emitter for heddle.linear, and its operand 1 has encoding #heddle.packed<<f32>, rows = 4>}}
    %1 = heddle.linear %a, %b : tensor<?x32xf32>, !weight
    heddle.yield %1 : tensor<?x20xf32>
  }
  return %0 : tensor<?x20xf32>
}

// -----

!cache = !heddle.cache<full_kv, layers = 1, heads = 1, dim = 8, elem = f32, block = 16>
func.func @cache(%x: tensor<?x8xf32>, %c: !cache) -> tensor<?x8xf32> {
  %0 = heddle.kernel "k" (%x, %c) schedule <"generic", {lanes = 4 : i64}> : (tensor<?x8xf32>, !cache) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>, %b: !cache):
    // expected-error @below {{unsupported: no emitter for stranger.op, and its operand 1 has type '!heddle.cache<full_kv, layers = 1, heads = 1, dim = 8, elem = f32, block = 16>'}}
    %1 = "stranger.op"(%a, %b) : (tensor<?x8xf32>, !cache) -> tensor<?x8xf32>
    heddle.yield %1 : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

func.func @wide(%x: tensor<?x8xf32>) -> tensor<8x?xf32> {
  // expected-error @below {{unsupported: kernel "k" on the generic path results in 'tensor<8x?xf32>'}}
  %0 = heddle.kernel "k" (%x) schedule <"generic", {lanes = 4 : i64}> : (tensor<?x8xf32>) -> tensor<8x?xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    %1 = "stranger.op"(%a) : (tensor<?x8xf32>) -> tensor<8x?xf32>
    heddle.yield %1 : tensor<8x?xf32>
  }
  return %0 : tensor<8x?xf32>
}

// -----

// A slot is no row.
func.func @slot(%x: tensor<?x8xf32>, %i: index) -> tensor<?x8xf32> {
  %0 = heddle.kernel "k" (%x, %i) schedule <"rows", {lanes = 4 : i64}> : (tensor<?x8xf32>, index) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>, %b: index):
    // expected-error @below {{unsupported: no emitter for arith.index_cast, and it results in 'i32'}}
    %1 = arith.index_cast %b : index to i32
    heddle.yield %a : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}
