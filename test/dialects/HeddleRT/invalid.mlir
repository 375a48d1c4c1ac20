// RUN: heddle-opt %s -split-input-file -verify-diagnostics

func.func @param_C1(%ctx: !heddle_rt.context, %i: index) {
  // expected-error @below {{(C1) needs a buffer of static shape}}
  %w = heddle_rt.param %ctx[%i] : memref<?x8xi8>
  return
}

// -----

func.func @cache_C1_none(%ctx: !heddle_rt.context) {
  // expected-error @below {{(C1) needs exactly one dynamic dimension}}
  %k = heddle_rt.cache %ctx[0] per 16 : memref<2x3x8xf32>
  return
}

// -----

func.func @cache_C1_two(%ctx: !heddle_rt.context) {
  // expected-error @below {{(C1) needs exactly one dynamic dimension}}
  %k = heddle_rt.cache %ctx[0] per 16 : memref<2x?x?xf32>
  return
}

// -----

func.func @cache_C2(%ctx: !heddle_rt.context) {
  // expected-error @below {{(C2) divisor = 0 is not positive}}
  %k = heddle_rt.cache %ctx[0] per 0 : memref<2x?x8xf32>
  return
}

// -----

func.func @arena_C1_dim(%ctx: !heddle_rt.context, %t: index) {
  // expected-error @below {{(C1) only the leading dimension may be dynamic, and rows is given exactly then}}
  %x = heddle_rt.arena %ctx[0] rows %t : memref<?x?xf32>
  return
}

// -----

func.func @cache_C3(%ctx: !heddle_rt.context) {
  // expected-error @below {{(C3) index = -1, limit 0 to 65535}}
  %k = heddle_rt.cache %ctx[-1] per 16 : memref<2x?x4xf32>
  return
}

// -----

func.func @cache_C3_large(%ctx: !heddle_rt.context) {
  // expected-error @below {{(C3) index = 65536, limit 0 to 65535}}
  %k = heddle_rt.cache %ctx[65536] per 16 : memref<2x?x4xf32>
  return
}

// -----

func.func @arena_C1_missing(%ctx: !heddle_rt.context) {
  // expected-error @below {{(C1) only the leading dimension may be dynamic, and rows is given exactly then}}
  %x = heddle_rt.arena %ctx[0] : memref<?x8xf32>
  return
}

// -----

func.func @arena_C1_extra(%ctx: !heddle_rt.context, %t: index) {
  // expected-error @below {{(C1) only the leading dimension may be dynamic, and rows is given exactly then}}
  %x = heddle_rt.arena %ctx[0] rows %t : memref<1x8xf32>
  return
}

// -----

func.func @arena_C2(%ctx: !heddle_rt.context) {
  // expected-error @below {{(C2) offset = 32 is not a non-negative multiple of 64}}
  %x = heddle_rt.arena %ctx[32] : memref<1x8xf32>
  return
}

// -----

func.func @arena_C2_negative(%ctx: !heddle_rt.context) {
  // expected-error @below {{(C2) offset = -64 is not a non-negative multiple of 64}}
  %x = heddle_rt.arena %ctx[-64] : memref<1x8xf32>
  return
}

// -----

func.func @input_C1(%ctx: !heddle_rt.context) {
  // expected-error @below {{(C1) unknown input "weights"}}
  %x = heddle_rt.input %ctx "weights" : memref<?xi32>
  return
}

// -----

func.func @input_C2(%ctx: !heddle_rt.context) {
  // expected-error @below {{(C2) only the leading dimension may be dynamic}}
  %x = heddle_rt.input %ctx "logits" : memref<1x?xf32>
  return
}

// -----

func.func @input_C3(%ctx: !heddle_rt.context) {
  // expected-error @below {{(C3) unsupported element 'f32' of "tokens"}}
  %x = heddle_rt.input %ctx "tokens" : memref<?xf32>
  return
}

// -----

func.func @input_C3_logits(%ctx: !heddle_rt.context) {
  // expected-error @below {{(C3) unsupported element 'i32' of "logits"}}
  %x = heddle_rt.input %ctx "logits" : memref<?x8xi32>
  return
}

// -----

// An unranked buffer has no shape to check.
func.func @unranked(%ctx: !heddle_rt.context) {
  // expected-error @below {{expected builtin.memref, but found 'memref<*xi32>'}}
  %x = heddle_rt.input %ctx "tokens" : memref<*xi32>
  return
}

// -----

func.func @mark(%ctx: !heddle_rt.context, %tid: index) {
  // expected-error @below {{(C1) kernel = -1 is negative}}
  heddle_rt.mark %ctx, %tid [-1]
  return
}

// -----

func.func @expert_C1(%t: memref<10xi64>, %e: index) {
  // expected-error @below {{(C1) needs a buffer of static shape}}
  %w = heddle_rt.expert %t[%e] : memref<10xi64> -> memref<?x64x64xi8>
  return
}

// -----

func.func @expert_C2(%t: memref<10xi32>, %e: index) {
  // expected-error @below {{(C2) table is 'memref<10xi32>'}}
  %w = heddle_rt.expert %t[%e] : memref<10xi32> -> memref<3x64x64xi8>
  return
}

// -----

func.func @fetch_C1(%t: memref<10xi64>, %ids: memref<?x2xi32>) {
  // expected-error @below {{(C1) table is 'memref<10xi64>', chosen 'memref<?x2xi32>'}}
  heddle_rt.fetch %t, %ids : memref<10xi64>, memref<?x2xi32>
  return
}
