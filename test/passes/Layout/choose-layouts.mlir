// RUN: heddle-opt %s --heddle-choose-layouts | FileCheck %s
// RUN: heddle-opt %s --heddle-choose-layouts='rows=64 block=8' | FileCheck %s --check-prefix=OPTIONS


!cache = !heddle.cache<full_kv, layers = 2, heads = 1, dim = 8, elem = f32>
!chosen = !heddle.cache<full_kv, layers = 2, heads = 1, dim = 8, elem = f32, block = 4>
!weight = tensor<8x32xf32, #heddle.enc<u4, group = 32, scale = true, offset = -8>>

// CHECK-NOT: #heddle.enc<
// CHECK: func.func @f
// CHECK-SAME: !heddle.cache<full_kv, layers = 2, heads = 1, dim = 8, elem = f32, block = 32>
// A block that was chosen before stays, and so does a plain tensor.
// CHECK-SAME: !heddle.cache<full_kv, layers = 2, heads = 1, dim = 8, elem = f32, block = 4>
// CHECK-SAME: tensor<?x32xf32>
// CHECK-SAME: -> !heddle.cache<full_kv, layers = 2, heads = 1, dim = 8, elem = f32, block = 32>
// OPTIONS: func.func @f
// OPTIONS-SAME: block = 8>
// OPTIONS-SAME: block = 4>
func.func @f(%c: !cache, %d: !chosen, %x: tensor<?x32xf32>) -> !cache {
  // One layout, whatever reads the weight.
  // CHECK: heddle.param "w" : tensor<8x32xf32, #heddle.packed<<u4, group = 32, scale = true, offset = -8>, rows = 32>>
  // OPTIONS: heddle.param "w" : tensor<8x32xf32, #heddle.packed<<u4, group = 32, scale = true, offset = -8>, rows = 64>>
  %w = heddle.param "w" : !weight
  // CHECK: heddle.param "norm" : tensor<32xf32>
  %n = heddle.param "norm" : tensor<32xf32>
  // Inside kernels too.
  // CHECK: heddle.kernel
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<?x32xf32>, %{{.*}}: tensor<8x32xf32, #heddle.packed<
  %y = heddle.kernel "linear" (%x, %w) : (tensor<?x32xf32>, !weight) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x32xf32>, %b: !weight):
    // CHECK: heddle.linear {{.*}} #heddle.packed<
    %0 = heddle.linear %a, %b : tensor<?x32xf32>, !weight
    heddle.yield %0 : tensor<?x8xf32>
  }
  return %c : !cache
}
