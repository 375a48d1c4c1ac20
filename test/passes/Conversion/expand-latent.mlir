// RUN: heddle-opt %s --heddle-expand-latent='prefill=true' -split-input-file -verify-diagnostics | FileCheck %s
// RUN: heddle-opt %s --heddle-expand-latent -split-input-file | FileCheck %s --check-prefix=NONE

// NONE-NOT: expand_latent
// NONE-NOT: step_kv

!latents = !heddle.cache<full_kv, layers = 2, heads = 1, dim = 48, elem = f32>
!uk = tensor<4x32x24xf32, #heddle.enc<u4, group = 8, scale = true>>
!uv = tensor<4x20x32xf32, #heddle.enc<f32>>

module attributes {heddle.lanes = 8 : i64} {
  // The cache of a step is beside that of the latents, and W_UK a parameter a second time, in
  // every step.
  // CHECK-LABEL: func.func @decode
  // CHECK-SAME: %[[STEP:[a-z0-9]+]]: !heddle.cache<step_kv, layers = 1, heads = 4, dim = 40, elem = f32>)
  // CHECK: heddle.layers(%{{.*}}, %{{.*}}, %[[STEP]]) {{.*}} rows {{\[\[}}"0.k_b", "0.v_b", "0.k_b^T"], ["1.k_b", "1.v_b", "1.k_b^T"]]
  func.func @decode(%x: tensor<1x160xf32>, %pos: tensor<1xi32>, %c: !latents) -> (tensor<1x160xf32>, !latents) attributes {heddle.max_tokens = 1 : i64} {
    %0:2 = heddle.layers(%x, %c) shared(%pos) kinds [@layer.decode] order [0, 0] rows [["0.k_b", "0.v_b"], ["1.k_b", "1.v_b"]]
      : (tensor<1x160xf32>, !latents), (tensor<1xi32>) -> (tensor<1x160xf32>, !latents)
    return %0#0, %0#1 : tensor<1x160xf32>, !latents
  }
  func.func @prefill(%x: tensor<?x160xf32>, %pos: tensor<?xi32>, %c: !latents) -> (tensor<?x160xf32>, !latents) attributes {heddle.max_tokens = 64 : i64} {
    %0:2 = heddle.layers(%x, %c) shared(%pos) kinds [@layer.prefill] order [0, 0] rows [["0.k_b", "0.v_b"], ["1.k_b", "1.v_b"]]
      : (tensor<?x160xf32>, !latents), (tensor<?xi32>) -> (tensor<?x160xf32>, !latents)
    return %0#0, %0#1 : tensor<?x160xf32>, !latents
  }
  // One token stays in the absorbed form.
  // CHECK-LABEL: func.func private @layer.decode
  // CHECK-SAME: %[[STEP:[a-z0-9]+]]: !heddle.cache<step_kv
  // CHECK-NOT: expand_latent
  // CHECK: heddle.attention {{.*}} <full_kv, layers = 2
  // CHECK: return %{{.*}}, %{{.*}}, %[[STEP]]
  func.func private @layer.decode(%x: tensor<1x160xf32>, %c: !latents, %slot: index, %pos: tensor<1xi32>, %k: !uk, %v: !uv) -> (tensor<1x160xf32>, !latents) {
    %key = heddle.slice_heads %x {first = 0 : i64, heads = 1 : i64, size = 16 : i64} : tensor<1x160xf32>
    %latent = heddle.slice_heads %x {first = 16 : i64, heads = 1 : i64, size = 32 : i64} : tensor<1x160xf32>
    %both = heddle.concat_heads %key, %latent {heads = 1 : i64} : tensor<1x16xf32>, tensor<1x32xf32>
    %plain = heddle.slice_heads %x {first = 0 : i64, heads = 4 : i64, size = 24 : i64} : tensor<1x160xf32>
    %rotated = heddle.slice_heads %x {first = 24 : i64, heads = 4 : i64, size = 16 : i64} : tensor<1x160xf32>
    %up = heddle.linear %plain, %k : tensor<1x96xf32>, !uk
    %q = heddle.concat_heads %rotated, %up {heads = 4 : i64} : tensor<1x64xf32>, tensor<1x128xf32>
    %c1 = heddle.cache_append %c[%slot], %both, %both at %pos : !latents, tensor<1x48xf32>, tensor<1xi32>
    %u = heddle.attention %q, %c1[%slot] at %pos {heads = 4 : i64, scale = 0.5 : f64} : tensor<1x192xf32>, !latents, tensor<1xi32>
    %ul = heddle.slice_heads %u {first = 16 : i64, heads = 4 : i64, size = 32 : i64} : tensor<1x192xf32>
    %o = heddle.linear %ul, %v : tensor<1x128xf32>, !uv
    %o2 = heddle.concat_heads %o, %o {heads = 1 : i64} : tensor<1x80xf32>, tensor<1x80xf32>
    return %o2, %c1 : tensor<1x160xf32>, !latents
  }
  // CHECK-LABEL: func.func private @layer.prefill
  // CHECK-SAME: %[[STEP:[a-z0-9]+]]: !heddle.cache<step_kv, {{.*}}, %[[SLOT:[a-z0-9]+]]: index,
  // CHECK-SAME: %[[UV:[a-z0-9]+]]: tensor<4x20x32xf32, #heddle.enc<f32>>, %[[UKT:[a-z0-9]+]]: tensor<4x24x32xf32, #heddle.enc<f32>>
  // CHECK: %[[PLAIN:.*]] = heddle.slice_heads %{{.*}} {first = 0 : i64, heads = 4 : i64, size = 24
  // CHECK: %[[ROTATED:.*]] = heddle.slice_heads %{{.*}} {first = 24
  // CHECK-NOT: heddle.linear
  // CHECK: %[[C:.*]] = heddle.cache_append
  // CHECK: %[[K:.*]] = heddle.expand_latent keys %[[C]][%[[SLOT]]], %[[UKT]] into %[[STEP]] at %{{.*}} {first = 16 : i64}
  // CHECK: %[[V:.*]] = heddle.expand_latent values %[[C]][%[[SLOT]]], %[[UV]] into %[[K]]
  // CHECK: %[[Q:.*]] = heddle.concat_heads %[[ROTATED]], %[[PLAIN]] {heads = 4
  // CHECK: %[[ZERO:.*]] = arith.constant 0 : index
  // CHECK: %[[U:.*]] = heddle.attention %[[Q]], %[[V]][%[[ZERO]]] at %{{.*}} {heads = 4 : i64, scale = 5.000000e-01 : f64}
  // CHECK: heddle.slice_heads %[[U]] {first = 0 : i64, heads = 4 : i64, size = 20 : i64}
  // CHECK-NOT: heddle.linear
  // CHECK: return %{{.*}}, %[[C]], %[[V]]
  func.func private @layer.prefill(%x: tensor<?x160xf32>, %c: !latents, %slot: index, %pos: tensor<?xi32>, %k: !uk, %v: !uv) -> (tensor<?x160xf32>, !latents) {
    %key = heddle.slice_heads %x {first = 0 : i64, heads = 1 : i64, size = 16 : i64} : tensor<?x160xf32>
    %latent = heddle.slice_heads %x {first = 16 : i64, heads = 1 : i64, size = 32 : i64} : tensor<?x160xf32>
    %both = heddle.concat_heads %key, %latent {heads = 1 : i64} : tensor<?x16xf32>, tensor<?x32xf32>
    %plain = heddle.slice_heads %x {first = 0 : i64, heads = 4 : i64, size = 24 : i64} : tensor<?x160xf32>
    %rotated = heddle.slice_heads %x {first = 24 : i64, heads = 4 : i64, size = 16 : i64} : tensor<?x160xf32>
    %up = heddle.linear %plain, %k : tensor<?x96xf32>, !uk
    %q = heddle.concat_heads %rotated, %up {heads = 4 : i64} : tensor<?x64xf32>, tensor<?x128xf32>
    %c1 = heddle.cache_append %c[%slot], %both, %both at %pos : !latents, tensor<?x48xf32>, tensor<?xi32>
    %u = heddle.attention %q, %c1[%slot] at %pos {heads = 4 : i64, scale = 0.5 : f64} : tensor<?x192xf32>, !latents, tensor<?xi32>
    %ul = heddle.slice_heads %u {first = 16 : i64, heads = 4 : i64, size = 32 : i64} : tensor<?x192xf32>
    %o = heddle.linear %ul, %v : tensor<?x128xf32>, !uv
    %o2 = heddle.concat_heads %o, %o {heads = 1 : i64} : tensor<?x80xf32>, tensor<?x80xf32>
    return %o2, %c1 : tensor<?x160xf32>, !latents
  }
}

// -----

!latents = !heddle.cache<full_kv, layers = 1, heads = 1, dim = 48, elem = f32>

// What is mixed is read a second time, so the absorbed form has to stay.
// expected-error @below {{prefill = true: no @prefill has attention over latents in the absorbed form}}
module {
  func.func @prefill(%x: tensor<?x160xf32>, %pos: tensor<?xi32>, %c: !latents) -> (tensor<?x160xf32>, !latents) attributes {heddle.max_tokens = 64 : i64} {
    %0:2 = heddle.layers(%x, %c) shared(%pos) kinds [@layer.prefill] order [0] rows [["k_b", "v_b"]]
      : (tensor<?x160xf32>, !latents), (tensor<?xi32>) -> (tensor<?x160xf32>, !latents)
    return %0#0, %0#1 : tensor<?x160xf32>, !latents
  }
  func.func private @layer.prefill(%x: tensor<?x160xf32>, %c: !latents, %slot: index, %pos: tensor<?xi32>, %k: tensor<4x32x24xf32>, %v: tensor<4x20x32xf32>) -> (tensor<?x160xf32>, !latents) {
    %key = heddle.slice_heads %x {first = 0 : i64, heads = 1 : i64, size = 16 : i64} : tensor<?x160xf32>
    %latent = heddle.slice_heads %x {first = 16 : i64, heads = 1 : i64, size = 32 : i64} : tensor<?x160xf32>
    %both = heddle.concat_heads %key, %latent {heads = 1 : i64} : tensor<?x16xf32>, tensor<?x32xf32>
    %plain = heddle.slice_heads %x {first = 0 : i64, heads = 4 : i64, size = 24 : i64} : tensor<?x160xf32>
    %rotated = heddle.slice_heads %x {first = 24 : i64, heads = 4 : i64, size = 16 : i64} : tensor<?x160xf32>
    %up = heddle.linear %plain, %k : tensor<?x96xf32>, tensor<4x32x24xf32>
    %q = heddle.concat_heads %rotated, %up {heads = 4 : i64} : tensor<?x64xf32>, tensor<?x128xf32>
    %c1 = heddle.cache_append %c[%slot], %both, %both at %pos : !latents, tensor<?x48xf32>, tensor<?xi32>
    %u = heddle.attention %q, %c1[%slot] at %pos {heads = 4 : i64, scale = 0.5 : f64} : tensor<?x192xf32>, !latents, tensor<?xi32>
    %ul = heddle.slice_heads %u {first = 16 : i64, heads = 4 : i64, size = 32 : i64} : tensor<?x192xf32>
    %o = heddle.linear %ul, %v : tensor<?x128xf32>, tensor<4x20x32xf32>
    %again = heddle.slice_heads %ul {first = 0 : i64, heads = 4 : i64, size = 20 : i64} : tensor<?x128xf32>
    %o2 = heddle.concat_heads %o, %again {heads = 1 : i64} : tensor<?x80xf32>, tensor<?x80xf32>
    return %o2, %c1 : tensor<?x160xf32>, !latents
  }
}
