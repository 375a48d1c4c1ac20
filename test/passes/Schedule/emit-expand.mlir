// RUN: heddle-opt %s --heddle-emit-kernels -canonicalize -split-input-file -verify-diagnostics | FileCheck %s

!latents = !heddle.cache<full_kv, layers = 3, heads = 1, dim = 20, elem = f32, block = 8>
!cache = !heddle.cache<step_kv, layers = 1, heads = 2, dim = 12, elem = f32, block = 8>
!weight = tensor<2x8x16xf32, #heddle.packed<<f32>, rows = 8>>

// An item is one of eight shares of a head's rows.
// CHECK: #[[ITEMS:[a-z0-9]+]] = affine_map<(d0) -> (16)>
// CHECK-LABEL: func.func private @k2.values
// CHECK: %[[LATENTS:.*]] = memref.subview %{{.*}}[%{{.*}}, 0, 0, 4] [1, 1, %{{.*}}, 16] [1, 1, 1, 1]
// Segments that no sequence of the step sees are left out.
// CHECK: %[[SEEN:.*]] = scf.for {{.*}} -> (i1)
// CHECK: scf.if %[[SEEN]]
// CHECK: math.fma
// CHECK: vector.store %{{.*}}, %{{.*}} : memref<1x2x?x12xf32>, vector<8xf32>
// CHECK-LABEL: func.func private @k1.keys
// CHECK-NOT: -> (i1)
// CHECK: math.fma
// The rotated part is every head's, what the product makes comes after it.
// CHECK: scf.for %[[D:.*]] = %c0 to %c4
// CHECK: %[[ROTATED:.*]] = memref.load %{{.*}}[%{{.*}}, %c0, %{{.*}}, %[[D]]]
// CHECK: memref.store %[[ROTATED]], %{{.*}}[%c0, %{{.*}}, %{{.*}}, %[[D]], %{{.*}}]
// CHECK: scf.for %[[J:.*]] = %c0 to %c8
// CHECK: %[[AFTER:.*]] = arith.addi %[[J]], %c4
// CHECK: memref.store %{{.*}}, %{{.*}}[%c0, %{{.*}}, %{{.*}}, %[[AFTER]], %{{.*}}]
func.func @expand(%c: !latents, %slot: index, %w: !weight, %e: !cache, %pos: tensor<?xi32>, %starts: tensor<?xi32>) -> !cache {
  // CHECK: heddle.launch @k1.keys{{.*}} items #[[ITEMS]]
  %0 = heddle.kernel "keys" (%c, %slot, %w, %e, %pos) schedule <"expand", {lanes = 8 : i64, token_tile = 2 : i64, token_block = 4 : i64}>
      : (!latents, index, !weight, !cache, tensor<?xi32>) -> !cache {
  ^bb0(%a: !latents, %s: index, %b: !weight, %k: !cache, %p: tensor<?xi32>):
    %1 = heddle.expand_latent keys %a[%s], %b into %k at %p {first = 4 : i64} : !latents, !weight, !cache, tensor<?xi32>
    heddle.yield %1 : !cache
  }
  %2 = heddle.kernel "values" (%c, %slot, %w, %0, %pos, %starts) schedule <"expand", {lanes = 8 : i64, token_tile = 2 : i64, token_block = 4 : i64}>
      : (!latents, index, !weight, !cache, tensor<?xi32>, tensor<?xi32>) -> !cache {
  ^bb0(%a: !latents, %s: index, %b: !weight, %k: !cache, %p: tensor<?xi32>, %f: tensor<?xi32>):
    %1 = heddle.expand_latent values %a[%s], %b into %k at %p from %f {first = 4 : i64} : !latents, !weight, !cache, tensor<?xi32>
    heddle.yield %1 : !cache
  }
  return %2 : !cache
}

// -----

!latents = !heddle.cache<full_kv, layers = 3, heads = 1, dim = 20, elem = f32, block = 8>
!cache = !heddle.cache<step_kv, layers = 1, heads = 2, dim = 12, elem = f32, block = 8>

func.func @row_major(%c: !latents, %slot: index, %w: tensor<2x8x16xf32>, %e: !cache, %pos: tensor<?xi32>) -> !cache {
  // expected-error @below {{unsupported: latents times a weight that is not packed}}
  %0 = heddle.kernel "keys" (%c, %slot, %w, %e, %pos) schedule <"expand", {lanes = 8 : i64}>
      : (!latents, index, tensor<2x8x16xf32>, !cache, tensor<?xi32>) -> !cache {
  ^bb0(%a: !latents, %s: index, %b: tensor<2x8x16xf32>, %k: !cache, %p: tensor<?xi32>):
    %1 = heddle.expand_latent keys %a[%s], %b into %k at %p {first = 4 : i64} : !latents, tensor<2x8x16xf32>, !cache, tensor<?xi32>
    heddle.yield %1 : !cache
  }
  return %0 : !cache
}
