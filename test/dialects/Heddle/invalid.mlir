// RUN: heddle-opt %s -split-input-file -verify-diagnostics

// #heddle.enc

// expected-error @below {{(C1) unknown stored element "q8"}}
func.func private @f(tensor<4x8xf32, #heddle.enc<q8>>)

// -----

// expected-error @below {{(C2) group = 0, limit 1 to 65536, a multiple of 2 for u4, 16 for u5, 8 for u6}}
func.func private @f(tensor<4x8xf32, #heddle.enc<i8, group = 0>>)

// -----

// expected-error @below {{(C2) group = 3, limit 1 to 65536, a multiple of 2 for u4, 16 for u5, 8 for u6}}
func.func private @f(tensor<4x8xf32, #heddle.enc<u4, group = 3>>)

// -----

// expected-error @below {{(C2) group = 4611686018427387904, limit 1 to 65536, a multiple of 2 for u4, 16 for u5, 8 for u6}}
func.func private @f(tensor<4x8xf32, #heddle.enc<i8, group = 4611686018427387904>>)

// -----

// expected-error @below {{(C3) floating-point elements take no scale, min or offset}}
func.func private @f(tensor<4x8xf32, #heddle.enc<f16, group = 32, scale = true>>)

// -----

// expected-error @below {{(C4) offset = -65537, limit -65536 to 65536}}
func.func private @f(tensor<4x8xf32, #heddle.enc<i8, offset = -65537>>)

// -----

// expected-error @below {{(C5) an encoded tensor has static shape, rank 2 or 3}}
func.func private @f(tensor<8xf32, #heddle.enc<f16>>)

// -----

// expected-error @below {{(C5) an encoded tensor has static shape, rank 2 or 3}}
func.func private @f(tensor<?x8xf32, #heddle.enc<f16>>)

// -----

// expected-error @below {{(C5) an encoded tensor has static shape, rank 2 or 3, dimensions of 1 to 2147483647}}
func.func private @f(tensor<4294967296x8xf32, #heddle.enc<f16>>)

// -----

// expected-error @below {{(C5) an encoded tensor has static shape, rank 2 or 3, dimensions of 1 to 2147483647, at most 281474976710656 elements}}
func.func private @f(tensor<2147483647x2147483647xf32, #heddle.enc<f16>>)

// -----

// expected-error @below {{(C5) an encoded tensor has static shape, rank 2 or 3, dimensions of 1 to 2147483647, at most 281474976710656 elements}}
func.func private @f(tensor<2147483647x65536x4xf32, #heddle.enc<f16>>)

// -----

// expected-error @below {{(C5) an encoded tensor has static shape, rank 2 or 3}}
func.func private @f(tensor<2x2x2x8xf32, #heddle.enc<f16>>)

// -----

// expected-error @below {{(C6) group = 32 does not divide the width 48}}
func.func private @f(tensor<2x4x48xf32, #heddle.enc<i8, group = 32, scale = true>>)

// -----

// expected-error @below {{(C5) an encoded tensor has static shape, rank 2 or 3, dimensions of 1 to 2147483647}}
func.func private @f(tensor<0x8xf32, #heddle.enc<f16>>)

// -----

// expected-error @below {{(C5) an encoded tensor has static shape, rank 2 or 3, dimensions of 1 to 2147483647, at most 281474976710656 elements, of f32}}
func.func private @f(tensor<4x8xf16, #heddle.enc<f16>>)

// -----

// expected-error @below {{(C6) group = 32 does not divide the width 48}}
func.func private @f(tensor<4x48xf32, #heddle.enc<i8, group = 32, scale = true>>)

// -----

// expected-error @below {{(C6) super = 256 does not divide the width 64}}
func.func private @f(tensor<4x64xf32, #heddle.enc<u4, group = 32, scale = true, super = 256, scales = u6>>)

// -----

// expected-error @below {{(C7) super = 256, scales = f16, limit 0 and f16, or a multiple of group up to 65536 with a scale, and u6 or i8, or 0 and bf16 with a scale}}
func.func private @f(tensor<4x256xf32, #heddle.enc<u4, group = 32, scale = true, super = 256>>)

// -----

// expected-error @below {{(C7) super = 256, scales = u6}}
func.func private @f(tensor<4x256xf32, #heddle.enc<u4, group = 32, min = true, super = 256, scales = u6>>)

// -----

// expected-error @below {{(C7) super = 48, scales = i8}}
func.func private @f(tensor<4x96xf32, #heddle.enc<u4, group = 32, scale = true, super = 48, scales = i8>>)

// -----

// expected-error @below {{(C7) super = 0, scales = i8}}
func.func private @f(tensor<4x256xf32, #heddle.enc<u4, group = 32, scale = true, scales = i8>>)

// -----

// expected-error @below {{(C7) super = 0, scales = bf16}}
func.func private @f(tensor<4x64xf32, #heddle.enc<u4, group = 32, min = true, scales = bf16>>)

// -----

// expected-error @below {{(C8) a table of 4 numbers, limit 16, for u4 with a scale and without min, offset and super}}
func.func private @f(tensor<4x64xf32, #heddle.enc<u4, group = 32, scale = true, table = [1, 2, 3, 4]>>)

// -----

// expected-error @below {{(C8) a table of 16 numbers}}
func.func private @f(tensor<4x64xf32, #heddle.enc<u5, group = 32, scale = true, table = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]>>)

// -----

// expected-error @below {{(C8) a table of 16 numbers}}
func.func private @f(tensor<4x64xf32, #heddle.enc<u4, group = 32, scale = true, offset = -8, table = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]>>)

// -----

// expected-error @below {{(C2) group = 24, limit 1 to 65536, a multiple of 2 for u4, 16 for u5, 8 for u6}}
func.func private @f(tensor<4x24xf32, #heddle.enc<u5, group = 24, scale = true>>)

// -----

// #heddle.packed

// expected-error @below {{(C1) rows = 0, limit 1 to 1024}}
func.func private @f(tensor<4x8xf32, #heddle.packed<<f32>, rows = 0>>)

// -----

// expected-error @below {{(C1) rows = 1025, limit 1 to 1024}}
func.func private @f(tensor<4x8xf32, #heddle.packed<<f32>, rows = 1025>>)

// -----

// expected-error @below {{(C5) an encoded tensor has static shape, rank 2 or 3}}
func.func private @f(tensor<8xf32, #heddle.packed<<f32>, rows = 32>>)

// -----

// expected-error @below {{(C6) group = 32 does not divide the width 48}}
func.func private @f(tensor<4x48xf32, #heddle.packed<<u4, group = 32>, rows = 32>>)

// -----

// expected-error @below {{(C2) step = 8, limit 1 to 64, a divisor of 16 codes of a group, whose high bits fill bytes}}
func.func private @f(tensor<4x32xf32, #heddle.packed<<u5, group = 32, scale = true>, rows = 32, step = 8>>)

// -----

// !heddle.cache

// expected-error @below {{(C1) layers, heads, dim = 0, 1, 2, limit 1 to 65536, their product 268435456}}
func.func private @f(!heddle.cache<full_kv, layers = 0, heads = 1, dim = 2, elem = f32>)

// -----

// expected-error @below {{(C1) layers, heads, dim = 1, 0, 2, limit 1 to 65536, their product 268435456}}
func.func private @f(!heddle.cache<full_kv, layers = 1, heads = 0, dim = 2, elem = f32>)

// -----

// expected-error @below {{(C1) layers, heads, dim = 1, 1, -2, limit 1 to 65536, their product 268435456}}
func.func private @f(!heddle.cache<full_kv, layers = 1, heads = 1, dim = -2, elem = f32>)

// -----

// expected-error @below {{(C1) layers, heads, dim = 4611686018427387904, 4, 1, limit}}
func.func private @f(!heddle.cache<full_kv, layers = 4611686018427387904, heads = 4, dim = 1, elem = f32>)

// -----

// expected-error @below {{(C1) layers, heads, dim = 4, 65536, 65536, limit 1 to 65536, their product 268435456}}
func.func private @f(!heddle.cache<full_kv, layers = 4, heads = 65536, dim = 65536, elem = f32>)

// -----

// expected-error @below {{(C2) block = 1025, limit 0 to 1024}}
func.func private @f(!heddle.cache<full_kv, layers = 1, heads = 1, dim = 2, elem = f32, block = 1025>)

// -----

// expected-error @below {{(C3) unsupported cache element 'f16'}}
func.func private @f(!heddle.cache<full_kv, layers = 1, heads = 1, dim = 2, elem = f16>)

// -----

func.func @param_C1() {
  // expected-error @below {{(C1) needs a static shape of rank 1 to 3}}
  %0 = heddle.param "w" : tensor<?x8xf32>
  return
}

// -----

func.func @param_C1_rank() {
  // expected-error @below {{(C1) needs a static shape of rank 1 to 3}}
  %0 = heddle.param "w" : tensor<2x2x2x8xf32>
  return
}

// -----

func.func @param_C1_zero() {
  // expected-error @below {{(C1) needs a static shape of rank 1 to 3, dimensions of 1 to 2147483647}}
  %0 = heddle.param "w" : tensor<0xf32>
  return
}

// -----

func.func @param_C1_large() {
  // expected-error @below {{(C1) needs a static shape of rank 1 to 3, dimensions of 1 to 2147483647}}
  %0 = heddle.param "w" : tensor<8x4611686018427387904xf32>
  return
}

// -----

func.func @param_C1_element() {
  // expected-error @below {{result #0 must be ranked tensor of 32-bit float values}}
  %0 = heddle.param "w" : tensor<8xi32>
  return
}

// -----

func.func @param_encoding() {
  // expected-error @below {{(C6) group = 32 does not divide the width 8}}
  %0 = heddle.param "w" : tensor<4x8xf32, #heddle.enc<i8, group = 32>>
  return
}

// -----

func.func @param_C2() {
  // expected-error @below {{(C2) needs a name}}
  %0 = heddle.param "" : tensor<8xf32>
  return
}

// -----

func.func private @k(%x: tensor<?x8xf32>, %slot: index, %p: tensor<?xi32>) -> tensor<?x8xf32> { return %x : tensor<?x8xf32> }
func.func @layers_C1(%x: tensor<?x8xf32>, %p: tensor<?xi32>) {
  // expected-error @below {{(C1) has 2 layers in order, 1 rows}}
  %y = heddle.layers (%x) shared (%p) kinds [@k] order [0, 0] rows [[]] : (tensor<?x8xf32>), (tensor<?xi32>) -> (tensor<?x8xf32>)
  return
}

// -----

func.func private @k(%x: tensor<?x8xf32>, %slot: index, %p: tensor<?xi32>) -> tensor<?x8xf32> { return %x : tensor<?x8xf32> }
func.func @layers_C2(%x: tensor<?x8xf32>, %p: tensor<?xi32>) {
  // expected-error @below {{(C2) kind 1, limit 1}}
  %y = heddle.layers (%x) shared (%p) kinds [@k] order [1] rows [[]] : (tensor<?x8xf32>), (tensor<?xi32>) -> (tensor<?x8xf32>)
  return
}

// -----

func.func private @k(%x: tensor<?x8xf32>, %slot: index, %p: tensor<?xi32>) -> tensor<?x8xf32> { return %x : tensor<?x8xf32> }
func.func @layers_C3(%x: tensor<?x8xf32>, %p: tensor<?xi32>) {
  // expected-error @below {{(C3) row 0 does not fit @k}}
  %y = heddle.layers (%x) shared (%p) kinds [@k] order [0] rows [["w"]] : (tensor<?x8xf32>), (tensor<?xi32>) -> (tensor<?x8xf32>)
  return
}

// -----

func.func private @k(%x: tensor<?x8xf32>) -> tensor<?x8xf32> { return %x : tensor<?x8xf32> }
func.func @layers_C3_index(%x: tensor<?x8xf32>, %p: tensor<?xi32>) {
  // expected-error @below {{(C3) does not fit @k}}
  %y = heddle.layers (%x) shared (%p) kinds [@k] order [0] rows [[]] : (tensor<?x8xf32>), (tensor<?xi32>) -> (tensor<?x8xf32>)
  return
}

// -----

func.func private @k(%x: tensor<?x8xf32>, %slot: index, %w: tensor<?xf32>) -> tensor<?x8xf32> { return %x : tensor<?x8xf32> }
func.func @layers_C3_param(%x: tensor<?x8xf32>) {
  // expected-error @below {{(C3) does not fit @k}}
  %y = heddle.layers (%x) shared () kinds [@k] order [0] rows [["w"]] : (tensor<?x8xf32>), () -> (tensor<?x8xf32>)
  return
}

// -----

// A kind that no layer is of is checked too.
func.func private @k(%x: tensor<?x8xf32>, %slot: index) -> tensor<?x8xf32> { return %x : tensor<?x8xf32> }
func.func @layers_C3_unused(%x: tensor<?x8xf32>) {
  // expected-error @below {{(C3) names no function @gone}}
  %y = heddle.layers (%x) shared () kinds [@k, @gone] order [0] rows [[]] : (tensor<?x8xf32>), () -> (tensor<?x8xf32>)
  return
}

// -----

func.func @layers_C3_name(%x: tensor<?x8xf32>, %p: tensor<?xi32>) {
  // expected-error @below {{(C3) names no function @gone}}
  %y = heddle.layers (%x) shared (%p) kinds [@gone] order [0] rows [[]] : (tensor<?x8xf32>), (tensor<?xi32>) -> (tensor<?x8xf32>)
  return
}

// -----

func.func private @k(%x: tensor<?x8xf32>, %slot: index, %p: tensor<?xi32>) -> tensor<?x8xf32> { return %x : tensor<?x8xf32> }
func.func @layers_C4(%x: tensor<?x8xf32>, %p: tensor<?xi32>) {
  // expected-error @below {{(C4) results must have the types of what is carried}}
  %y = heddle.layers (%x) shared (%p) kinds [@k] order [0] rows [[]] : (tensor<?x8xf32>), (tensor<?xi32>) -> (tensor<1x8xf32>)
  return
}

// -----

func.func @layers_C5_kinds(%x: tensor<?x8xf32>) {
  // expected-error @below {{attribute 'kinds' failed to satisfy constraint: flat symbol ref array attribute}}
  %y = heddle.layers (%x) shared () kinds ["k"] order [0] rows [[]] : (tensor<?x8xf32>), () -> (tensor<?x8xf32>)
  return
}

// -----

func.func @layers_C5_rows(%x: tensor<?x8xf32>) {
  // expected-error @below {{attribute 'rows' failed to satisfy constraint: array of arrays of strings}}
  %y = heddle.layers (%x) shared () kinds [@k] order [0] rows ["w"] : (tensor<?x8xf32>), () -> (tensor<?x8xf32>)
  return
}

// -----

func.func @layers_C5_names(%x: tensor<?x8xf32>) {
  // expected-error @below {{attribute 'rows' failed to satisfy constraint: array of arrays of strings}}
  %y = heddle.layers (%x) shared () kinds [@k] order [0] rows [[1]] : (tensor<?x8xf32>), () -> (tensor<?x8xf32>)
  return
}

// -----

func.func @layers_C6_carried(%x: i32) {
  // expected-error @below {{operand #0 must be variadic of 2D tensor of f32 without an encoding}}
  %y = heddle.layers (%x) shared () kinds [@k] order [0] rows [[]] : (i32), () -> (i32)
  return
}

// -----

func.func @layers_C6_shared(%x: tensor<?x8xf32>, %s: index) {
  // expected-error @below {{operand #1 must be variadic of ranked tensor of any type values}}
  %y = heddle.layers (%x) shared (%s) kinds [@k] order [0] rows [[]] : (tensor<?x8xf32>), (index) -> (tensor<?x8xf32>)
  return
}

// -----

// An activation has a static width, and no encoding.

func.func @activation_width(%x: tensor<?x?xf32>, %r: tensor<?xi32>) {
  // expected-error @below {{operand #0 must be 2D tensor of f32 without an encoding, with a static width of 1 to 2147483647}}
  %y = heddle.select_rows %x, %r : tensor<?x?xf32>, tensor<?xi32>
  return
}

// -----

func.func @activation_width_large(%x: tensor<?x4611686018427387904xf32>, %r: tensor<?xi32>) {
  // expected-error @below {{operand #0 must be 2D tensor of f32 without an encoding, with a static width of 1 to 2147483647}}
  %y = heddle.select_rows %x, %r : tensor<?x4611686018427387904xf32>, tensor<?xi32>
  return
}

// -----

func.func @activation_encoding(%x: tensor<4x8xf32, #heddle.enc<f16>>, %r: tensor<?xi32>) {
  // expected-error @below {{operand #0 must be 2D tensor of f32 without an encoding}}
  %y = heddle.select_rows %x, %r : tensor<4x8xf32, #heddle.enc<f16>>, tensor<?xi32>
  return
}

// -----

func.func @embedding_C1(%ids: tensor<?xi32>, %t: tensor<8xf32>) {
  // expected-error @below {{operand #1 must be 2D tensor of 32-bit float values}}
  %x = "heddle.embedding"(%ids, %t) : (tensor<?xi32>, tensor<8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @rms_norm_C1(%x: tensor<?x8xf32>, %w: tensor<2xf32>) {
  // expected-error @below {{(C1) groups = 3 does not divide 8}}
  %y = heddle.rms_norm %x, %w {epsilon = 1.0e-5 : f64, groups = 3 : i64} : tensor<?x8xf32>, tensor<2xf32>
  return
}

// -----

func.func @rms_norm_C1_zero(%x: tensor<?x8xf32>, %w: tensor<2xf32>) {
  // expected-error @below {{(C1) groups = 0 does not divide 8}}
  %y = heddle.rms_norm %x, %w {epsilon = 1.0e-5 : f64, groups = 0 : i64} : tensor<?x8xf32>, tensor<2xf32>
  return
}

// -----

func.func @rms_norm_C2(%x: tensor<?x8xf32>, %w: tensor<8xf32>) {
  // expected-error @below {{(C2) weight has 8 elements, needs 4}}
  %y = heddle.rms_norm %x, %w {epsilon = 1.0e-5 : f64, groups = 2 : i64} : tensor<?x8xf32>, tensor<8xf32>
  return
}

// -----

func.func @rms_norm_C3(%x: tensor<?x8xf32>, %w: tensor<8xf32>) {
  // expected-error @below {{(C3) epsilon is not positive}}
  %y = heddle.rms_norm %x, %w {epsilon = 0.0 : f64} : tensor<?x8xf32>, tensor<8xf32>
  return
}

// -----

func.func @linear_C1(%x: tensor<?x8xf32>, %w: tensor<4x16xf32>) {
  // expected-error @below {{(C1) x has width 8, weight 16}}
  %y = heddle.linear %x, %w : tensor<?x8xf32>, tensor<4x16xf32>
  return
}

// -----

func.func @linear_C2(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %b: tensor<8xf32>) {
  // expected-error @below {{(C2) bias has 8 elements, needs 4}}
  %y = heddle.linear %x, %w, %b : tensor<?x8xf32>, tensor<4x8xf32>, tensor<8xf32>
  return
}

// -----

func.func @rope_angles_C1(%pos: tensor<?xi32>) {
  // expected-error @below {{(C1) dim = 7, limit even, 2 to 65536}}
  %a = heddle.rope_angles %pos {dim = 7 : i64, theta = 1.0e5 : f64} : tensor<?xi32>
  return
}

// -----

func.func @rope_angles_C1_zero(%pos: tensor<?xi32>) {
  // expected-error @below {{(C1) dim = 0, limit even, 2 to 65536}}
  %a = "heddle.rope_angles"(%pos) {dim = 0 : i64, theta = 1.0e5 : f64} : (tensor<?xi32>) -> tensor<?x2xf32>
  return
}

// -----

func.func @rope_angles_C1_large(%pos: tensor<?xi32>) {
  // expected-error @below {{(C1) dim = 65538, limit even, 2 to 65536}}
  %a = heddle.rope_angles %pos {dim = 65538 : i64, theta = 1.0e5 : f64} : tensor<?xi32>
  return
}

// -----

func.func @rope_angles_C2_theta(%pos: tensor<?xi32>) {
  // expected-error @below {{(C2) theta, scale and amplitude must be positive}}
  %a = heddle.rope_angles %pos {dim = 8 : i64, theta = -1.0 : f64} : tensor<?xi32>
  return
}

// -----

func.func @rope_angles_C2_scale(%pos: tensor<?xi32>) {
  // expected-error @below {{(C2) theta, scale and amplitude must be positive}}
  %a = heddle.rope_angles %pos {dim = 8 : i64, theta = 1.0 : f64, scale = 0.0 : f64} : tensor<?xi32>
  return
}

// -----

func.func @rope_angles_C3(%pos: tensor<?xi32>, %d: tensor<8xf32>) {
  // expected-error @below {{(C3) divisors has 8 elements, needs 4}}
  %a = heddle.rope_angles %pos, %d {dim = 8 : i64, theta = 1.0 : f64} : tensor<?xi32>, tensor<8xf32>
  return
}

// -----

func.func @rope_angles_C2_frequencies(%pos: tensor<?xi32>) {
  // expected-error @below {{(C2) frequencies must be positive}}
  %a = heddle.rope_angles %pos {dim = 4 : i64, theta = 1.0 : f64, frequencies = array<f64: 1.0, 0.0>} : tensor<?xi32>
  return
}

// -----

func.func @rope_angles_C2_original(%pos: tensor<?xi32>) {
  // expected-error @below {{(C2) original = 0 is not positive}}
  %a = heddle.rope_angles %pos {dim = 2 : i64, theta = 1.0 : f64, frequencies = array<f64: 1.0>, beyond = array<f64: 1.0>, original = 0 : i64} : tensor<?xi32>
  return
}

// -----

func.func @rope_angles_C3_frequencies(%pos: tensor<?xi32>) {
  // expected-error @below {{(C3) frequencies has 1 elements, needs 2}}
  %a = heddle.rope_angles %pos {dim = 4 : i64, theta = 1.0 : f64, frequencies = array<f64: 1.0>} : tensor<?xi32>
  return
}

// -----

func.func @rope_angles_C4(%pos: tensor<?xi32>) {
  // expected-error @below {{(C4) beyond needs original and frequencies, and original beyond}}
  %a = heddle.rope_angles %pos {dim = 2 : i64, theta = 1.0 : f64, frequencies = array<f64: 1.0>, beyond = array<f64: 1.0>} : tensor<?xi32>
  return
}

// -----

func.func @rope_C1(%x: tensor<?x8xf32>, %a: tensor<?x2xf32>) {
  // expected-error @below {{(C1) heads = 3 does not divide 8}}
  %y = heddle.rope %x, %a {heads = 3 : i64} : tensor<?x8xf32>, tensor<?x2xf32>
  return
}

// -----

func.func @rope_C2(%x: tensor<?x8xf32>, %a: tensor<?x6xf32>) {
  // expected-error @below {{(C2) dim = 6, limit even, 4}}
  %y = heddle.rope %x, %a {heads = 2 : i64} : tensor<?x8xf32>, tensor<?x6xf32>
  return
}

// -----

func.func @rope_C2_odd(%x: tensor<?x8xf32>, %a: tensor<?x3xf32>) {
  // expected-error @below {{(C2) dim = 3, limit even, 4}}
  %y = heddle.rope %x, %a {heads = 2 : i64} : tensor<?x8xf32>, tensor<?x3xf32>
  return
}

// -----

func.func @cache_append_C1(%c: !heddle.cache<full_kv, layers = 1, heads = 2, dim = 4, elem = f32>, %k: tensor<?x4xf32>,
                           %pos: tensor<?xi32>, %slot: index) {
  // expected-error @below {{(C1) key has width 4, the cache 8}}
  %0 = heddle.cache_append %c[%slot], %k, %k at %pos
    : !heddle.cache<full_kv, layers = 1, heads = 2, dim = 4, elem = f32>, tensor<?x4xf32>, tensor<?xi32>
  return
}

// -----

!cache = !heddle.cache<full_kv, layers = 1, heads = 2, dim = 4, elem = f32>
func.func @attention_C1(%c: !cache, %q: tensor<?x8xf32>, %pos: tensor<?xi32>, %slot: index) {
  // expected-error @below {{(C1) query has width 8, needs heads = 4 of 4}}
  %0 = heddle.attention %q, %c[%slot] at %pos {heads = 4 : i64, scale = 1.0 : f64} : tensor<?x8xf32>, !cache, tensor<?xi32>
  return
}

// -----

!cache = !heddle.cache<full_kv, layers = 1, heads = 2, dim = 4, elem = f32>
func.func @attention_C2(%c: !cache, %q: tensor<?x12xf32>, %pos: tensor<?xi32>, %slot: index) {
  // expected-error @below {{(C2) heads = 3 is no multiple of the cache's 2}}
  %0 = heddle.attention %q, %c[%slot] at %pos {heads = 3 : i64, scale = 1.0 : f64} : tensor<?x12xf32>, !cache, tensor<?xi32>
  return
}

// -----

!cache = !heddle.cache<full_kv, layers = 1, heads = 2, dim = 4, elem = f32>
func.func @attention_C3(%c: !cache, %q: tensor<?x8xf32>, %pos: tensor<?xi32>, %slot: index) {
  // expected-error @below {{(C3) scale is not positive}}
  %0 = heddle.attention %q, %c[%slot] at %pos {heads = 2 : i64, scale = 0.0 : f64} : tensor<?x8xf32>, !cache, tensor<?xi32>
  return
}

// -----

!cache = !heddle.cache<full_kv, layers = 1, heads = 2, dim = 4, elem = f32>
func.func @attention_C4(%c: !cache, %q: tensor<?x8xf32>, %pos: tensor<?xi32>, %slot: index) {
  // expected-error @below {{(C4) window = 0 is not positive}}
  %0 = heddle.attention %q, %c[%slot] at %pos {heads = 2 : i64, scale = 1.0 : f64, window = 0 : i64}
    : tensor<?x8xf32>, !cache, tensor<?xi32>
  return
}

// -----

!cache = !heddle.cache<full_kv, layers = 1, heads = 2, dim = 4, elem = f32>
func.func @attention_C5(%c: !cache, %q: tensor<?x8xf32>, %pos: tensor<?xi32>, %slot: index, %s: tensor<3xf32>) {
  // expected-error @below {{(C5) sinks has 3 elements, needs heads = 2}}
  %0 = heddle.attention %q, %c[%slot] at %pos sinks %s {heads = 2 : i64, scale = 1.0 : f64}
    : tensor<?x8xf32>, !cache, tensor<?xi32>, tensor<3xf32>
  return
}

// -----

func.func @kernel_C1(%x: tensor<1x8xf32>) {
  // expected-error @below {{(C1) region arguments must match the inputs}}
  heddle.kernel "k" (%x) : (tensor<1x8xf32>) -> () {
  ^bb0(%a: tensor<2x8xf32>):
    heddle.yield
  }
  return
}

// -----

func.func @kernel_C2(%x: tensor<1x8xf32>) {
  // expected-error @below {{(C2) must yield the result types}}
  %0 = heddle.kernel "k" (%x) : (tensor<1x8xf32>) -> tensor<2x8xf32> {
  ^bb0(%a: tensor<1x8xf32>):
    heddle.yield %a : tensor<1x8xf32>
  }
  return
}

// -----

func.func @yield_parent() {
  // expected-error @below {{expects parent op to be one of 'heddle.kernel, heddle.custom_route'}}
  heddle.yield
}

// -----

func.func private @k()
func.func @launch_C1(%x: tensor<1x8xf32>) {
  // expected-error @below {{(C1) items must map at most one dimension to one count}}
  heddle.launch @k(%x) items affine_map<(d0, d1) -> (d0)> aligned [false] -> [] : (tensor<1x8xf32>) -> ()
  return
}

// -----

func.func private @k()
func.func @launch_C1_results(%x: tensor<1x8xf32>) {
  // expected-error @below {{(C1) items must map at most one dimension to one count}}
  heddle.launch @k(%x) items affine_map<(d0) -> (d0, d0)> aligned [false] -> [] : (tensor<1x8xf32>) -> ()
  return
}

// -----

func.func private @k()
func.func @launch_C2(%x: tensor<1x8xf32>) {
  // expected-error @below {{(C2) needs one aligned flag per input and result}}
  heddle.launch @k(%x) items affine_map<(d0) -> (d0)> aligned [] -> [] : (tensor<1x8xf32>) -> ()
  return
}

// -----

func.func @launch_callee(%x: tensor<1x8xf32>) {
  // expected-error @below {{names no kernel @gone}}
  heddle.launch @gone(%x) items affine_map<(d0) -> (d0)> aligned [true] -> [] : (tensor<1x8xf32>) -> ()
  return
}
