// RUN: heddle-opt %s --heddle-record-kernels -split-input-file | FileCheck %s

// In the order of the steps, a step's own kernels before those of its layers, which run once a
// layer. The head's weight: 2 panels of 32 rows of 2 groups of 32 codes and an f16 scale.
// CHECK: heddle.kernels = [
// CHECK-SAME: {cache_bytes_per_position = 0 : i64, emitter = "rows", generic = [], instruction = "", kernel = "select_rows", operations_per_position = 0 : i64, operations_per_token = 0 : i64, schedule = "lanes=8", selected_rows = true, step = "prefill", times = 1 : i64, weight_bytes = 0 : i64}
// CHECK-SAME: instruction = "avx2.pmaddubsw", kernel = "linear", {{.*}}operations_per_token = 8192 : i64, schedule = "lanes=8 token_tile=4", selected_rows = true, {{.*}}times = 1 : i64, weight_bytes = 4352 : i64}
// CHECK-SAME: generic = ["heddle.rms_norm"], instruction = "", kernel = "rms_norm", {{.*}}selected_rows = false, step = "prefill", times = 3 : i64
// CHECK: heddle.kernel "rms_norm"
// CHECK-SAME: heddle.record = 3 : i64
// CHECK: heddle.kernel "select_rows"
// CHECK-SAME: heddle.record = 0 : i64
// CHECK: heddle.kernel "linear"
// CHECK-SAME: heddle.record = 2 : i64
!x = tensor<?x64xf32>
!c = tensor<?x64xf32, #heddle.rows<i8, group = 32>>
!w = tensor<64x64xf32, #heddle.packed<<i8, group = 32, scale = true>, rows = 32, step = 4>>
func.func @layer.prefill(%x: !x, %slot: index, %g: tensor<64xf32>) -> !x {
  %0 = heddle.kernel "rms_norm" (%x, %g) schedule <"rows", {generic = ["heddle.rms_norm"], lanes = 8 : i64}> : (!x, tensor<64xf32>) -> !x {
  ^bb0(%a: !x, %b: tensor<64xf32>):
    %1 = heddle.rms_norm %a, %b {epsilon = 1.0e-5 : f64} : !x, tensor<64xf32>
    heddle.yield %1 : !x
  }
  return %0 : !x
}
func.func @prefill(%x: !x, %y: !x, %rows: tensor<?xi32>, %w: !w) -> !x {
  %layers = heddle.layers (%y) shared () kinds [@layer.prefill] order [0, 0, 0] rows [["a"], ["b"], ["c"]] : (!x), () -> (!x)
  %0 = heddle.kernel "select_rows" (%x, %rows) schedule <"rows", {lanes = 8 : i64}> : (!x, tensor<?xi32>) -> !x {
  ^bb0(%a: !x, %b: tensor<?xi32>):
    %1 = heddle.select_rows %a, %b : !x, tensor<?xi32>
    heddle.yield %1 : !x
  }
  %c = heddle.kernel "convert_rows" (%0) schedule <"rows", {lanes = 8 : i64}> : (!x) -> !c {
  ^bb0(%a: !x):
    %1 = heddle.convert_rows %a : !x -> !c
    heddle.yield %1 : !c
  }
  %2 = heddle.kernel "linear" (%c, %w) schedule <"matmul", {dot = "avx2.pmaddubsw", lanes = 8 : i64, token_tile = 4 : i64}> : (!c, !w) -> !x {
  ^bb0(%a: !c, %b: !w):
    %3 = heddle.linear %a, %b : !c, !w
    heddle.yield %3 : !x
  }
  return %2 : !x
}

// -----

// One token reads the two experts of four that it goes to. An expert's matrix: a panel of 32 rows of
// 2 groups of 32 codes and an f16 scale, 2176 bytes.
// CHECK: heddle.kernels = [
// CHECK-SAME: kernel = "routed_matmul", {{.*}}operations_per_token = 8192 : i64, {{.*}}step = "decode", {{.*}}weight_bytes = 4352 : i64}
// Of several, all may be read.
// CHECK-SAME: kernel = "grouped_matmul", {{.*}}operations_per_token = 8192 : i64, {{.*}}step = "prefill", {{.*}}weight_bytes = 8704 : i64}
!w = tensor<4x32x64xf32, #heddle.packed<<i8, group = 32, scale = true>, rows = 32, step = 4>>
!one = tensor<1x64xf32, #heddle.rows<i8, group = 32>>
!slots = tensor<?x128xf32, #heddle.rows<i8, group = 32>>
func.func @decode(%x: !one, %w: !w, %ids: tensor<1x2xi32>) -> tensor<1x64xf32> {
  %0 = heddle.kernel "routed_matmul" (%x, %w, %ids) schedule <"experts", {dot = "avx2.pmaddubsw", lanes = 8 : i64}> : (!one, !w, tensor<1x2xi32>) -> tensor<1x64xf32> {
  ^bb0(%a: !one, %b: !w, %c: tensor<1x2xi32>):
    %1 = heddle.routed_matmul %a, %b, %c : !one, !w, tensor<1x2xi32>
    heddle.yield %1 : tensor<1x64xf32>
  }
  return %0 : tensor<1x64xf32>
}
func.func @prefill(%x: !slots, %w: !w, %offsets: tensor<5xi32>) -> tensor<?x64xf32> {
  %0 = heddle.kernel "grouped_matmul" (%x, %w, %offsets) schedule <"experts", {dot = "avx2.pmaddubsw", lanes = 8 : i64}> : (!slots, !w, tensor<5xi32>) -> tensor<?x64xf32> {
  ^bb0(%a: !slots, %b: !w, %c: tensor<5xi32>):
    %1 = heddle.grouped_matmul %a, %b, %c : !slots, !w, tensor<5xi32>
    heddle.yield %1 : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

// CHECK: heddle.kernels = [
// CHECK-SAME: instruction = "avx512bf16.vdpbf16ps", kernel = "linear"
!x = tensor<1x64xf32, #heddle.rows<bf16>>
!w = tensor<32x64xf32, #heddle.packed<<bf16>, rows = 32, step = 2>>
func.func @decode(%x: !x, %w: !w) -> tensor<1x32xf32> {
  %0 = heddle.kernel "linear" (%x, %w) schedule <"matmul", {float_dot = "avx512bf16.vdpbf16ps", lanes = 16 : i64}> : (!x, !w) -> tensor<1x32xf32> {
  ^bb0(%a: !x, %b: !w):
    %1 = heddle.linear %a, %b : !x, !w
    heddle.yield %1 : tensor<1x32xf32>
  }
  return %0 : tensor<1x32xf32>
}
