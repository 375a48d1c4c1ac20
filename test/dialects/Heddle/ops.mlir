// RUN: heddle-opt %s | heddle-opt | FileCheck %s
// RUN: heddle-opt %s --mlir-print-op-generic | heddle-opt | FileCheck %s

!cache = !heddle.cache<full_kv, layers = 2, heads = 3, dim = 64, elem = f32>

// CHECK-LABEL: @params
func.func @params() {
  // CHECK: heddle.param "f32" : tensor<576xf32>
  %0 = heddle.param "f32" : tensor<576xf32>
  // CHECK: heddle.param "plain" : tensor<4x8xf32, #heddle.enc<f16>>
  %1 = heddle.param "plain" : tensor<4x8xf32, #heddle.enc<f16>>
  // CHECK: heddle.param "q8" : tensor<4x64xf32, #heddle.enc<i8, group = 32, scale = true>>
  %2 = heddle.param "q8" : tensor<4x64xf32, #heddle.enc<i8, group = 32, scale = true>>
  // CHECK: heddle.param "q4" : tensor<4x64xf32, #heddle.enc<u4, group = 32, scale = true, offset = -8>>
  %3 = heddle.param "q4" : tensor<4x64xf32, #heddle.enc<u4, group = 32, scale = true, offset = -8>>
  // CHECK: heddle.param "q4m" : tensor<4x64xf32, #heddle.enc<u4, group = 32, scale = true, min = true>>
  %4 = heddle.param "q4m" : tensor<4x64xf32, #heddle.enc<u4, group = 32, scale = true, min = true>>
  // CHECK: heddle.param "q6k" : tensor<4x256xf32, #heddle.enc<u6, group = 16, scale = true, offset = -32, super = 256, scales = i8>>
  %6 = heddle.param "q6k" : tensor<4x256xf32, #heddle.enc<u6, group = 16, scale = true, offset = -32, super = 256, scales = i8>>
  // CHECK: heddle.param "mxfp4" : tensor<4x64xf32, #heddle.enc<u4, group = 32, scale = true, scales = bf16, table = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]>>
  %7 = heddle.param "mxfp4" : tensor<4x64xf32, #heddle.enc<u4, group = 32, scale = true, scales = bf16, table = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]>>
  // CHECK: heddle.param "packed" : tensor<4x8xf32, #heddle.packed<<bf16>, rows = 32>>
  %5 = heddle.param "packed" : tensor<4x8xf32, #heddle.packed<<bf16>, rows = 32>>
  return
}

// CHECK-LABEL: @types
// CHECK-SAME: !heddle.cache<full_kv, layers = 2, heads = 3, dim = 64, elem = f32>
// CHECK-SAME: !heddle.cache<full_kv, layers = 2, heads = 3, dim = 64, elem = f32, block = 16>
func.func private @types(!cache, !heddle.cache<full_kv, layers = 2, heads = 3, dim = 64, elem = f32, block = 16>)

func.func private @block(%x: tensor<?x576xf32>, %c: !cache, %slot: index, %pos: tensor<?xi32>, %w: tensor<576xf32>)
    -> (tensor<?x576xf32>, !cache) {
  return %x, %c : tensor<?x576xf32>, !cache
}

// CHECK-LABEL: @layers
func.func @layers(%x: tensor<?x576xf32>, %c0: !cache, %pos: tensor<?xi32>) -> tensor<?x576xf32> {
  // CHECK: heddle.layers{{ ?}}(%{{.*}}, %{{.*}}) shared{{ ?}}(%{{.*}}) kinds [@block] order [0, 0] rows
  // CHECK-SAME: {{\[}}["a"], ["b"]]
  // CHECK-SAME: -> (tensor<?x576xf32>, {{(!heddle.cache)?}}<full_kv,
  %y, %c1 = heddle.layers (%x, %c0) shared (%pos) kinds [@block] order [0, 0] rows [["a"], ["b"]]
    : (tensor<?x576xf32>, !cache), (tensor<?xi32>) -> (tensor<?x576xf32>, !cache)
  return %y : tensor<?x576xf32>
}

func.func private @bare(%x: tensor<?x576xf32>, %slot: index) -> tensor<?x576xf32> { return %x : tensor<?x576xf32> }
func.func private @nothing(%slot: index) { return }

// CHECK-LABEL: @bare_layers
func.func @bare_layers(%x: tensor<?x576xf32>) -> tensor<?x576xf32> {
  // CHECK: heddle.layers{{ ?}}(%{{.*}}) shared{{ ?}}() kinds [@bare] order [0] rows {{\[}}[]] : (tensor<?x576xf32>), () -> (tensor<?x576xf32>)
  %y = heddle.layers (%x) shared () kinds [@bare] order [0] rows [[]] : (tensor<?x576xf32>), () -> (tensor<?x576xf32>)
  // CHECK: heddle.layers{{ ?}}() shared{{ ?}}() kinds [@nothing] order [] rows [] : (), () -> ()
  heddle.layers () shared () kinds [@nothing] order [] rows [] : (), () -> ()
  return %y : tensor<?x576xf32>
}

// CHECK-LABEL: @decoder
func.func @decoder(%ids: tensor<?xi32>, %pos: tensor<?xi32>, %starts: tensor<?xi32>, %rows: tensor<?xi32>, %c0: !cache, %slot: index) -> tensor<?x576xf32> {
  %table = heddle.param "t" : tensor<1000x576xf32, #heddle.enc<f16>>
  %w = heddle.param "w" : tensor<576xf32>
  %wh = heddle.param "wh" : tensor<64xf32>
  %kv = heddle.param "kv" : tensor<192x576xf32, #heddle.enc<f32>>
  %b = heddle.param "b" : tensor<192xf32>
  %div = heddle.param "div" : tensor<32xf32>
  // CHECK: heddle.embedding %{{.*}}, %{{.*}} : tensor<?xi32>, tensor<1000x576xf32, #heddle.enc<f16>>
  %x = heddle.embedding %ids, %table : tensor<?xi32>, tensor<1000x576xf32, #heddle.enc<f16>>
  // CHECK: heddle.rms_norm %{{.*}}, %{{.*}} {epsilon = 1.000000e-05 : f64} : tensor<?x576xf32>, tensor<576xf32>
  %n = heddle.rms_norm %x, %w {epsilon = 1.0e-5 : f64} : tensor<?x576xf32>, tensor<576xf32>
  // CHECK: heddle.rms_norm %{{.*}}, %{{.*}} {epsilon = 1.000000e-05 : f64, groups = 9 : i64, unit_offset} : tensor<?x576xf32>, tensor<64xf32>
  %q = heddle.rms_norm %n, %wh {epsilon = 1.0e-5 : f64, groups = 9 : i64, unit_offset} : tensor<?x576xf32>, tensor<64xf32>
  // CHECK: heddle.linear %{{.*}}, %{{.*}} : tensor<?x576xf32>, tensor<192x576xf32, #heddle.enc<f32>>{{$}}
  %k = heddle.linear %n, %kv : tensor<?x576xf32>, tensor<192x576xf32, #heddle.enc<f32>>
  // CHECK: heddle.linear %{{.*}}, %{{.*}}, %{{.*}} : tensor<?x576xf32>, tensor<192x576xf32, #heddle.enc<f32>>, tensor<192xf32>
  %v = heddle.linear %n, %kv, %b : tensor<?x576xf32>, tensor<192x576xf32, #heddle.enc<f32>>, tensor<192xf32>
  // CHECK: heddle.rope_angles %{{.*}} {dim = 64 : i64, theta = 1.000000e+05 : f64} : tensor<?xi32>{{$}}
  %a = heddle.rope_angles %pos {dim = 64 : i64, theta = 1.0e5 : f64} : tensor<?xi32>
  // CHECK: heddle.rope_angles %{{.*}}, %{{.*}} {dim = 64 : i64, scale = 8.000000e+00 : f64, theta = 1.000000e+05 : f64} : tensor<?xi32>, tensor<32xf32>
  %a1 = heddle.rope_angles %pos, %div {dim = 64 : i64, theta = 1.0e5 : f64, scale = 8.0 : f64} : tensor<?xi32>, tensor<32xf32>
  // CHECK: heddle.rope %{{.*}}, %{{.*}} {heads = 9 : i64} : tensor<?x576xf32>, tensor<?x64xf32>
  %qr = heddle.rope %q, %a {heads = 9 : i64} : tensor<?x576xf32>, tensor<?x64xf32>
  // CHECK: heddle.rope %{{.*}}, %{{.*}} {heads = 3 : i64, interleaved} : tensor<?x192xf32>, tensor<?x64xf32>
  %kr = heddle.rope %k, %a1 {heads = 3 : i64, interleaved} : tensor<?x192xf32>, tensor<?x64xf32>
  // CHECK: heddle.cache_append %{{.*}}[%{{.*}}], %{{.*}}, %{{.*}} at %{{.*}} : {{(!heddle.cache)?}}<full_kv, layers = 2, heads = 3, dim = 64, elem = f32>, tensor<?x192xf32>, tensor<?xi32>
  %c1 = heddle.cache_append %c0[%slot], %kr, %v at %pos : !cache, tensor<?x192xf32>, tensor<?xi32>
  // CHECK: heddle.attention %{{.*}}, %{{.*}}[%{{.*}}] at %{{.*}} {heads = 9 : i64, scale = 1.250000e-01 : f64} : tensor<?x576xf32>, {{(!heddle.cache)?}}<full_kv,
  %o = heddle.attention %qr, %c1[%slot] at %pos {heads = 9 : i64, scale = 0.125 : f64} : tensor<?x576xf32>, !cache, tensor<?xi32>
  // CHECK: heddle.attention {{.*}} {heads = 9 : i64, scale = 1.250000e-01 : f64, window = 128 : i64}
  %o1 = heddle.attention %o, %c1[%slot] at %pos {heads = 9 : i64, scale = 0.125 : f64, window = 128 : i64} : tensor<?x576xf32>, !cache, tensor<?xi32>
  // CHECK: heddle.cache_append {{.*}} at %{{.*}} from %{{.*}} : {{.*}}, tensor<?x192xf32>, tensor<?xi32>{{$}}
  %c2 = heddle.cache_append %c1[%slot], %kr, %v at %pos from %starts : !cache, tensor<?x192xf32>, tensor<?xi32>
  // CHECK: heddle.attention {{.*}} at %{{.*}} from %{{.*}} {heads = 9 : i64, {{.*}} tensor<?xi32>{{$}}
  %o3 = heddle.attention %qr, %c2[%slot] at %pos from %starts {heads = 9 : i64, scale = 0.125 : f64}
    : tensor<?x576xf32>, !cache, tensor<?xi32>
  // CHECK: heddle.attention {{.*}} at %{{.*}} sinks %{{.*}} {heads = 9 : i64, {{.*}} tensor<?xi32>, tensor<9xf32>
  %sinks = heddle.param "sinks" : tensor<9xf32>
  %o2 = heddle.attention %o1, %c1[%slot] at %pos sinks %sinks {heads = 9 : i64, scale = 0.125 : f64}
    : tensor<?x576xf32>, !cache, tensor<?xi32>, tensor<9xf32>
  // CHECK: heddle.glu %{{.*}}, %{{.*}} {activation = #heddle.activation<silu>} : tensor<?x576xf32>
  %g = heddle.glu %o, %o2 {activation = #heddle.activation<silu>} : tensor<?x576xf32>
  // CHECK: heddle.glu {{.*}} {activation = #heddle.activation<oai>}
  %g1 = heddle.glu %g, %o1 {activation = #heddle.activation<oai>} : tensor<?x576xf32>
  // CHECK: heddle.glu {{.*}} {activation = #heddle.activation<oai, limit = 6.000000e+00 : f64, alpha = 1.500000e+00 : f64>}
  %g2 = heddle.glu %g1, %o1 {activation = #heddle.activation<oai, limit = 6.0 : f64, alpha = 1.5 : f64>} : tensor<?x576xf32>
  // CHECK: heddle.select_rows %{{.*}}, %{{.*}} : tensor<?x576xf32>, tensor<?xi32>
  %s = heddle.select_rows %g2, %rows : tensor<?x576xf32>, tensor<?xi32>
  return %s : tensor<?x576xf32>
}

// CHECK-LABEL: @kernels
func.func @kernels(%x: tensor<1x8xf32>, %w: tensor<4x8xf32, #heddle.enc<f32>>) -> tensor<1x4xf32> {
  // CHECK: heddle.kernel "empty"{{ ?}}() : () -> () {
  heddle.kernel "empty" () : () -> () {
  }
  // CHECK: heddle.kernel "linear"{{ ?}}(%{{.*}}, %{{.*}}) schedule <"linear", {lanes = 8 : i64, token_tile = 2 : i64}> : (
  %y = heddle.kernel "linear" (%x, %w) schedule <"linear", {token_tile = 2 : i64, lanes = 8 : i64}>
      : (tensor<1x8xf32>, tensor<4x8xf32, #heddle.enc<f32>>) -> tensor<1x4xf32> {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<1x8xf32>, %{{.*}}: tensor<4x8xf32, #heddle.enc<f32>>):
  ^bb0(%a: tensor<1x8xf32>, %b: tensor<4x8xf32, #heddle.enc<f32>>):
    %0 = heddle.linear %a, %b : tensor<1x8xf32>, tensor<4x8xf32, #heddle.enc<f32>>
    // CHECK: heddle.yield %{{.*}} : tensor<1x4xf32>
    heddle.yield %0 : tensor<1x4xf32>
  }
  return %y : tensor<1x4xf32>
}

func.func private @linear_0(index, index, memref<1x8xf32>, memref<1x8x128xi8>, memref<1x4xf32>)

// CHECK-LABEL: @launches
func.func @launches(%x: tensor<1x8xf32>, %w: tensor<4x8xf32, #heddle.packed<<f32>, rows = 32>>) -> tensor<1x4xf32> {
  // CHECK: heddle.launch @linear_0{{ ?}}(%{{.*}}, %{{.*}}) items
  // CHECK-SAME: aligned [false, false] -> [false]
  %y = heddle.launch @linear_0(%x, %w) items affine_map<(d0) -> (18)> aligned [false, false] -> [false]
    : (tensor<1x8xf32>, tensor<4x8xf32, #heddle.packed<<f32>, rows = 32>>) -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}
