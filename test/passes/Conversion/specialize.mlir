// RUN: heddle-opt %s --heddle-specialize='batch-tokens=8 prefill-tokens=32' | FileCheck %s
// RUN: heddle-opt %s --heddle-specialize | FileCheck %s --check-prefix=DEFAULT


// The originals are gone; what no step calls stays.
// CHECK-NOT: @forward
// CHECK-NOT: func.func {{.*}}@block(

// CHECK-DAG: func.func @decode({{.*}}tensor<1xi32>{{.*}}tensor<1xi32>{{.*}}tensor<1xi32>{{.*}}) -> tensor<1x16xf32> attributes {heddle.max_tokens = 1 : i64}
// CHECK-DAG: func.func @batch({{.*}}tensor<?xi32>{{.*}}) -> tensor<?x16xf32> attributes {heddle.max_tokens = 8 : i64}
// CHECK-DAG: func.func @prefill({{.*}}tensor<?xi32>{{.*}}) -> tensor<?x16xf32> attributes {heddle.max_tokens = 32 : i64}
// CHECK-DAG: func.func private @block.decode({{.*}}tensor<1x8xf32>{{.*}}) -> {{.*}}tensor<1x8xf32>{{.*}}heddle.max_tokens = 1 : i64
// CHECK-DAG: func.func private @block.batch({{.*}}tensor<?x8xf32>{{.*}}heddle.max_tokens = 8 : i64
// CHECK-DAG: func.func private @block.prefill({{.*}}tensor<?x8xf32>{{.*}}heddle.max_tokens = 32 : i64
// CHECK-DAG: heddle.layers{{.*}} kinds [@block.decode] order [0, 0] rows {{.*}} -> (tensor<1x8xf32>,
// CHECK-DAG: heddle.layers{{.*}} kinds [@block.batch] order [0, 0] rows {{.*}} -> (tensor<?x8xf32>,
// CHECK-DAG: heddle.layers{{.*}} kinds [@block.prefill] order [0, 0] rows {{.*}} -> (tensor<?x8xf32>,
// CHECK-DAG: func.func private @other(

// DEFAULT-DAG: @decode{{.*}}heddle.max_tokens = 1 : i64
// DEFAULT-DAG: @batch{{.*}}heddle.max_tokens = 16 : i64
// DEFAULT-DAG: @prefill{{.*}}heddle.max_tokens = 256 : i64

!cache = !heddle.cache<full_kv, layers = 2, heads = 1, dim = 4, elem = f32>

func.func private @block(%x: tensor<?x8xf32>, %c: !cache, %slot: index, %pos: tensor<?xi32>, %w: tensor<8xf32>)
    -> (tensor<?x8xf32>, !cache) {
  %0 = heddle.rms_norm %x, %w {epsilon = 1.0e-5 : f64} : tensor<?x8xf32>, tensor<8xf32>
  return %0, %c : tensor<?x8xf32>, !cache
}

func.func private @other(tensor<?x8xf32>)

func.func @forward(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %rows: tensor<?xi32>, %c: !cache) -> tensor<?x16xf32> {
  %table = heddle.param "table" : tensor<16x8xf32, #heddle.enc<f16>>
  %x = heddle.embedding %tokens, %table : tensor<?xi32>, tensor<16x8xf32, #heddle.enc<f16>>
  %y, %c1 = heddle.layers (%x, %c) shared (%pos) kinds [@block] order [0, 0] rows [["a"], ["b"]]
    : (tensor<?x8xf32>, !cache), (tensor<?xi32>) -> (tensor<?x8xf32>, !cache)
  %s = heddle.select_rows %y, %rows : tensor<?x8xf32>, tensor<?xi32>
  %l = heddle.linear %s, %table : tensor<?x8xf32>, tensor<16x8xf32, #heddle.enc<f16>>
  return %l : tensor<?x16xf32>
}
