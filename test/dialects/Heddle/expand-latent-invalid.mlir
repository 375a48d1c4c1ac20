// RUN: heddle-opt %s -split-input-file -verify-diagnostics

!latents = !heddle.cache<full_kv, layers = 3, heads = 1, dim = 48, elem = f32>
!cache = !heddle.cache<step_kv, layers = 1, heads = 4, dim = 40, elem = f32>
func.func @fine(%c: !latents, %slot: index, %k: tensor<4x24x32xf32>, %v: tensor<4x40x32xf32>, %e: !cache, %pos: tensor<?xi32>) {
  %0 = heddle.expand_latent keys %c[%slot], %k into %e at %pos {first = 16 : i64} : !latents, tensor<4x24x32xf32>, !cache, tensor<?xi32>
  %1 = heddle.expand_latent values %c[%slot], %v into %0 at %pos {first = 16 : i64} : !latents, tensor<4x40x32xf32>, !cache, tensor<?xi32>
  return
}

// -----

!latents = !heddle.cache<full_kv, layers = 3, heads = 2, dim = 48, elem = f32>
!cache = !heddle.cache<step_kv, layers = 1, heads = 4, dim = 40, elem = f32>
func.func @C1(%c: !latents, %slot: index, %k: tensor<4x24x32xf32>, %e: !cache, %pos: tensor<?xi32>) {
  // expected-error @below {{(C1) the latents have 2 heads, limit 1}}
  %0 = heddle.expand_latent keys %c[%slot], %k into %e at %pos {first = 16 : i64} : !latents, tensor<4x24x32xf32>, !cache, tensor<?xi32>
  return
}

// -----

!latents = !heddle.cache<full_kv, layers = 3, heads = 1, dim = 48, elem = f32>
!cache = !heddle.cache<step_kv, layers = 1, heads = 4, dim = 40, elem = f32>
func.func @C2(%c: !latents, %slot: index, %k: tensor<4x24x32xf32>, %e: !cache, %pos: tensor<?xi32>) {
  // expected-error @below {{(C2) first = 15 and 32 columns, the latents have 48}}
  %0 = heddle.expand_latent keys %c[%slot], %k into %e at %pos {first = 15 : i64} : !latents, tensor<4x24x32xf32>, !cache, tensor<?xi32>
  return
}

// -----

!latents = !heddle.cache<full_kv, layers = 3, heads = 1, dim = 48, elem = f32>
!cache = !heddle.cache<step_kv, layers = 1, heads = 4, dim = 40, elem = f32>
func.func @C3(%c: !latents, %slot: index, %k: tensor<3x24x32xf32>, %e: !cache, %pos: tensor<?xi32>) {
  // expected-error @below {{(C3) 3 matrices, the cache has 4 heads}}
  %0 = heddle.expand_latent keys %c[%slot], %k into %e at %pos {first = 16 : i64} : !latents, tensor<3x24x32xf32>, !cache, tensor<?xi32>
  return
}

// -----

!latents = !heddle.cache<full_kv, layers = 3, heads = 1, dim = 48, elem = f32>
!cache = !heddle.cache<step_kv, layers = 1, heads = 4, dim = 40, elem = f32>
func.func @C4(%c: !latents, %slot: index, %k: tensor<4x25x32xf32>, %e: !cache, %pos: tensor<?xi32>) {
  // expected-error @below {{(C4) 41 elements of a head, limit 40}}
  %0 = heddle.expand_latent keys %c[%slot], %k into %e at %pos {first = 16 : i64} : !latents, tensor<4x25x32xf32>, !cache, tensor<?xi32>
  return
}

// -----

!latents = !heddle.cache<full_kv, layers = 3, heads = 1, dim = 48, elem = f32>
!cache = !heddle.cache<step_kv, layers = 2, heads = 4, dim = 40, elem = f32>
func.func @C5(%c: !latents, %slot: index, %k: tensor<4x24x32xf32>, %e: !cache, %pos: tensor<?xi32>) {
  // expected-error @below {{(C5) the cache has 2 layers, limit 1}}
  %0 = heddle.expand_latent keys %c[%slot], %k into %e at %pos {first = 16 : i64} : !latents, tensor<4x24x32xf32>, !cache, tensor<?xi32>
  return
}

// -----

!latents = !heddle.cache<full_kv, layers = 3, heads = 1, dim = 64, elem = f32>
!cache = !heddle.cache<step_kv, layers = 1, heads = 4, dim = 40, elem = f32>
func.func @C6(%c: !latents, %slot: index, %k: tensor<4x24x48xf32>, %e: !cache, %pos: tensor<?xi32>) {
  // expected-error @below {{(C6) a group of 32 does not divide 48}}
  %0 = heddle.expand_latent keys %c[%slot], %k into %e at %pos {first = 16 : i64, rows = #heddle.rows<i8, group = 32>} : !latents, tensor<4x24x48xf32>, !cache, tensor<?xi32>
  return
}
