// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(heddle-fuse-attention-input))' | FileCheck %s

!cache = !heddle.cache<full_kv, layers = 1, heads = 1, dim = 64, elem = f32>
!w = tensor<64x64xf32, #heddle.enc<f32>>

// For one token the norm too: every thread computes the row.
// CHECK-LABEL: @decode
// CHECK: heddle.kernel "rms_norm+linear+linear+linear+rope+rope+cache_append"
// CHECK: heddle.attention
// CHECK-NOT: heddle.kernel
// CHECK: return
func.func @decode(%x: tensor<1x64xf32>, %n: tensor<64xf32>, %q: !w, %k: !w, %v: !w, %a: tensor<1x64xf32>, %c: !cache, %s: index, %p: tensor<1xi32>)
    -> (tensor<1x64xf32>, !cache) attributes {heddle.max_tokens = 1 : i64} {
  %0 = heddle.rms_norm %x, %n {epsilon = 1.0e-5 : f64} : tensor<1x64xf32>, tensor<64xf32>
  %1 = heddle.linear %0, %q : tensor<1x64xf32>, !w
  %2 = heddle.linear %0, %k : tensor<1x64xf32>, !w
  %3 = heddle.linear %0, %v : tensor<1x64xf32>, !w
  %4 = heddle.rope %1, %a {heads = 1 : i64} : tensor<1x64xf32>, tensor<1x64xf32>
  %5 = heddle.rope %2, %a {heads = 1 : i64} : tensor<1x64xf32>, tensor<1x64xf32>
  %6 = heddle.cache_append %c[%s], %5, %3 at %p : !cache, tensor<1x64xf32>, tensor<1xi32>
  %7 = heddle.attention %4, %6[%s] at %p {heads = 1 : i64, scale = 0.125 : f64} : tensor<1x64xf32>, !cache, tensor<1xi32>
  return %7, %6 : tensor<1x64xf32>, !cache
}

// For several tokens rows are made once, not by every thread.
// CHECK-LABEL: @prefill
// CHECK: heddle.rms_norm
// CHECK: heddle.kernel "linear+linear+cache_append"
func.func @prefill(%x: tensor<?x64xf32>, %n: tensor<64xf32>, %k: !w, %v: !w, %c: !cache, %s: index, %p: tensor<?xi32>)
    -> !cache attributes {heddle.max_tokens = 16 : i64} {
  %0 = heddle.rms_norm %x, %n {epsilon = 1.0e-5 : f64} : tensor<?x64xf32>, tensor<64xf32>
  %2 = heddle.linear %0, %k : tensor<?x64xf32>, !w
  %3 = heddle.linear %0, %v : tensor<?x64xf32>, !w
  %6 = heddle.cache_append %c[%s], %2, %3 at %p : !cache, tensor<?x64xf32>, tensor<?xi32>
  return %6 : !cache
}

// Must not fire where something else reads what lies between.
// CHECK-LABEL: @other_reader
// CHECK-NOT: heddle.kernel
func.func @other_reader(%x: tensor<?x64xf32>, %k: !w, %v: !w, %a: tensor<?x64xf32>, %c: !cache, %s: index, %p: tensor<?xi32>)
    -> (!cache, tensor<?x64xf32>) {
  %2 = heddle.linear %x, %k : tensor<?x64xf32>, !w
  %3 = heddle.linear %x, %v : tensor<?x64xf32>, !w
  %5 = heddle.rope %2, %a {heads = 1 : i64} : tensor<?x64xf32>, tensor<?x64xf32>
  %6 = heddle.cache_append %c[%s], %5, %3 at %p : !cache, tensor<?x64xf32>, tensor<?xi32>
  return %6, %2 : !cache, tensor<?x64xf32>
}

// Nor where the key is no product.
// CHECK-LABEL: @no_product
// CHECK-NOT: heddle.kernel
func.func @no_product(%x: tensor<?x64xf32>, %v: !w, %c: !cache, %s: index, %p: tensor<?xi32>) -> !cache {
  %3 = heddle.linear %x, %v : tensor<?x64xf32>, !w
  %6 = heddle.cache_append %c[%s], %x, %3 at %p : !cache, tensor<?x64xf32>, tensor<?xi32>
  return %6 : !cache
}
