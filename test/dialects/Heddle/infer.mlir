// RUN: heddle-opt %s -split-input-file -verify-diagnostics

// The generic form states result types; the ops infer them and refuse others.

func.func @embedding(%ids: tensor<?xi32>, %t: tensor<16x8xf32>) {
  // expected-error @+2 {{inferred type(s) 'tensor<?x8xf32>' are incompatible with return type(s) of operation 'tensor<?x16xf32>'}}
  // expected-error @below {{'heddle.embedding' op failed to infer returned types}}
  %x = "heddle.embedding"(%ids, %t) : (tensor<?xi32>, tensor<16x8xf32>) -> tensor<?x16xf32>
  return
}

// -----

func.func @select_rows(%x: tensor<4x8xf32>, %rows: tensor<2xi32>) {
  // expected-error @+2 {{inferred type(s) 'tensor<2x8xf32>'}}
  // expected-error @below {{'heddle.select_rows' op failed to infer returned types}}
  %y = "heddle.select_rows"(%x, %rows) : (tensor<4x8xf32>, tensor<2xi32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @rms_norm(%x: tensor<?x8xf32>, %w: tensor<8xf32>) {
  // expected-error @+2 {{inferred type(s) 'tensor<?x8xf32>'}}
  // expected-error @below {{'heddle.rms_norm' op failed to infer returned types}}
  %y = "heddle.rms_norm"(%x, %w) {epsilon = 1.0e-5 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @linear(%x: tensor<3x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error @+2 {{inferred type(s) 'tensor<3x4xf32>'}}
  // expected-error @below {{'heddle.linear' op failed to infer returned types}}
  %y = "heddle.linear"(%x, %w) : (tensor<3x8xf32>, tensor<4x8xf32>) -> tensor<3x8xf32>
  return
}

// -----

func.func @rope_angles(%pos: tensor<?xi32>) {
  // expected-error @+2 {{inferred type(s) 'tensor<?x8xf32>'}}
  // expected-error @below {{'heddle.rope_angles' op failed to infer returned types}}
  %a = "heddle.rope_angles"(%pos) {dim = 8 : i64, theta = 1.0 : f64} : (tensor<?xi32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @rope_angles_dim(%pos: tensor<?xi32>) {
  // expected-error @below {{needs the attribute dim}}
  %a = heddle.rope_angles %pos {theta = 1.0 : f64} : tensor<?xi32>
  return
}

// -----

func.func @rope(%x: tensor<?x8xf32>, %a: tensor<?x4xf32>) {
  // expected-error @+2 {{inferred type(s) 'tensor<?x8xf32>'}}
  // expected-error @below {{'heddle.rope' op failed to infer returned types}}
  %y = "heddle.rope"(%x, %a) {heads = 2 : i64} : (tensor<?x8xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

!cache = !heddle.cache<full_kv, layers = 1, heads = 2, dim = 4, elem = f32>
func.func @attention(%c: !cache, %q: tensor<?x8xf32>, %pos: tensor<?xi32>, %slot: index) {
  // expected-error @+2 {{inferred type(s) 'tensor<?x8xf32>'}}
  // expected-error @below {{'heddle.attention' op failed to infer returned types}}
  %0 = "heddle.attention"(%q, %c, %slot, %pos) {heads = 2 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0>, scale = 1.0 : f64}
    : (tensor<?x8xf32>, !cache, index, tensor<?xi32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @glu(%g: tensor<?x8xf32>, %u: tensor<?x8xf32>) {
  // expected-error @below {{failed to verify that all of {gate, up, result} have same type}}
  %y = "heddle.glu"(%g, %u) {activation = #heddle.activation<silu>} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x4xf32>
  return
}

// -----

!a = !heddle.cache<full_kv, layers = 1, heads = 2, dim = 4, elem = f32>
!b = !heddle.cache<full_kv, layers = 2, heads = 2, dim = 4, elem = f32>
func.func @cache_append(%c: !a, %k: tensor<?x8xf32>, %pos: tensor<?xi32>, %slot: index) {
  // expected-error @below {{failed to verify that all of {cache, result} have same type}}
  %0 = "heddle.cache_append"(%c, %slot, %k, %k, %pos) : (!a, index, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>) -> !b
  return
}
