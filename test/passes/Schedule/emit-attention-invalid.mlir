// RUN: heddle-opt %s --heddle-emit-kernels -verify-diagnostics

!cache = !heddle.cache<full_kv, layers = 1, heads = 1, dim = 8, elem = f32, block = 16>

// Heads that no number of passes makes up.
func.func @passes(%q: tensor<1x64xf32>, %c: !cache, %slot: index, %pos: tensor<1xi32>) -> tensor<1x64xf32> {
  // expected-error @below {{head_tile = 3, limit a divisor of the 8 query heads of a KV head}}
  %0 = heddle.kernel "k" (%q, %c, %slot, %pos) schedule <"attention", {lanes = 8 : i64, segment = 128 : i64, head_tile = 3 : i64}>
      : (tensor<1x64xf32>, !cache, index, tensor<1xi32>) -> tensor<1x64xf32> {
  ^bb0(%a: tensor<1x64xf32>, %k: !cache, %s: index, %p: tensor<1xi32>):
    %1 = heddle.attention %a, %k[%s] at %p {heads = 8 : i64, scale = 0.5 : f64} : tensor<1x64xf32>, !cache, tensor<1xi32>
    heddle.yield %1 : tensor<1x64xf32>
  }
  return %0 : tensor<1x64xf32>
}
