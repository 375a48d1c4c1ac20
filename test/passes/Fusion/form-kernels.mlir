// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(heddle-form-kernels))' | FileCheck %s

!cache = !heddle.cache<full_kv, layers = 2, heads = 1, dim = 8, elem = f32>
!weight = tensor<8x8xf32, #heddle.enc<f32>>

// Neighbouring row-wise ops, ours and upstream's, share a kernel; only what is
// used outside leaves it.
// CHECK-LABEL: @row_wise
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[Y:.*]]: tensor<?x8xf32>, %[[W:.*]]: tensor<8xf32>)
func.func @row_wise(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>, %w: tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: %[[K:.*]]:2 = heddle.kernel {{.*}}(%[[X]], %[[Y]], %[[W]]) : (tensor<?x8xf32>, tensor<?x8xf32>, tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<?x8xf32>, %[[B:.*]]: tensor<?x8xf32>, %[[C:.*]]: tensor<8xf32>):
  // CHECK: %[[S:.*]] = arith.addf %[[A]], %[[B]]
  // CHECK: %[[N:.*]] = heddle.rms_norm %[[S]], %[[C]]
  // CHECK: %[[G:.*]] = heddle.glu %[[N]], %[[S]]
  // CHECK: heddle.yield %[[S]], %[[G]]
  // CHECK-NOT: heddle.kernel
  // CHECK: return %[[K]]#0, %[[K]]#1
  %s = arith.addf %x, %y : tensor<?x8xf32>
  %n = heddle.rms_norm %s, %w {epsilon = 1.0e-5 : f64} : tensor<?x8xf32>, tensor<8xf32>
  %g = heddle.glu %n, %s {activation = #heddle.activation<silu>} : tensor<?x8xf32>
  return %s, %g : tensor<?x8xf32>, tensor<?x8xf32>
}

// A parameter is not computed, and does not part a kernel.
// CHECK-LABEL: @params
// CHECK-COUNT-2: heddle.param
// CHECK: heddle.kernel
// CHECK: heddle.rms_norm
// CHECK-NOT: heddle.kernel
// CHECK: heddle.rms_norm
// CHECK-NOT: heddle.kernel
// CHECK: return
func.func @params(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %w0 = heddle.param "w0" : tensor<8xf32>
  %0 = heddle.rms_norm %x, %w0 {epsilon = 1.0e-5 : f64} : tensor<?x8xf32>, tensor<8xf32>
  %w1 = heddle.param "w1" : tensor<8xf32>
  %1 = heddle.rms_norm %0, %w1 {epsilon = 1.0e-5 : f64} : tensor<?x8xf32>, tensor<8xf32>
  return %1 : tensor<?x8xf32>
}

// Must not fire across a linear: it reads whole activations.
// CHECK-LABEL: @across_linear
// CHECK: heddle.kernel
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.mulf
// CHECK-NEXT: heddle.yield
// CHECK: heddle.kernel
// CHECK-NEXT: ^bb0
// CHECK-NEXT: heddle.linear
// CHECK-NEXT: heddle.yield
// CHECK: heddle.kernel
// CHECK-NEXT: ^bb0
// CHECK-NEXT: heddle.linear
// CHECK-NEXT: heddle.yield
// CHECK: heddle.kernel
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.addf
// CHECK-NEXT: heddle.yield
func.func @across_linear(%x: tensor<?x8xf32>, %w: !weight) -> tensor<?x8xf32> {
  %0 = arith.mulf %x, %x : tensor<?x8xf32>
  %1 = heddle.linear %0, %w : tensor<?x8xf32>, !weight
  %2 = heddle.linear %0, %w : tensor<?x8xf32>, !weight
  %3 = arith.addf %1, %2 : tensor<?x8xf32>
  return %3 : tensor<?x8xf32>
}

// Nor across an attention.
// CHECK-LABEL: @across_attention
// CHECK: heddle.kernel
// CHECK-NEXT: ^bb0
// CHECK-NEXT: heddle.cache_append
// CHECK-NEXT: heddle.yield
// CHECK: heddle.kernel
// CHECK-NEXT: ^bb0
// CHECK-NEXT: heddle.attention
// CHECK-NEXT: heddle.yield
// CHECK: heddle.kernel
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.addf
// CHECK-NEXT: heddle.yield
func.func @across_attention(%x: tensor<?x8xf32>, %c: !cache, %slot: index, %pos: tensor<?xi32>) -> (tensor<?x8xf32>, !cache) {
  %c1 = heddle.cache_append %c[%slot], %x, %x at %pos : !cache, tensor<?x8xf32>, tensor<?xi32>
  %0 = heddle.attention %x, %c1[%slot] at %pos {heads = 1 : i64, scale = 1.0 : f64} : tensor<?x8xf32>, !cache, tensor<?xi32>
  %1 = arith.addf %0, %x : tensor<?x8xf32>
  return %1, %c1 : tensor<?x8xf32>, !cache
}

// Nor across a selection of rows, after which row r is another token.
// CHECK-LABEL: @across_select_rows
// CHECK: heddle.kernel
// CHECK-NEXT: ^bb0
// CHECK-NEXT: heddle.select_rows
// CHECK-NEXT: heddle.yield
// CHECK: heddle.kernel
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.addf
// CHECK-NEXT: heddle.yield
func.func @across_select_rows(%x: tensor<?x8xf32>, %rows: tensor<?xi32>) -> tensor<?x8xf32> {
  %0 = heddle.select_rows %x, %rows : tensor<?x8xf32>, tensor<?xi32>
  %1 = arith.addf %0, %0 : tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// CHECK: func.func private @external
func.func private @external(tensor<?x8xf32>) -> tensor<?x8xf32>

// Neighbouring linalg and tensor ops share a generic kernel, with constants and sizes
// of its own; row-wise ops on either side stay out.
// CHECK-LABEL: @plain
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>)
func.func @plain(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK-NEXT: %[[S:.*]] = heddle.kernel "addf"(%[[X]])
  // CHECK: heddle.kernel "empty+fill+generic"(%[[S]]) : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<?x8xf32>):
  // CHECK: %[[D:.*]] = tensor.dim %[[A]]
  // CHECK: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
  // CHECK: tensor.empty(%[[D]])
  // CHECK: linalg.fill ins(%[[ZERO]]
  // CHECK: linalg.generic
  // CHECK: arith.maximumf %{{.*}}, %[[ZERO]]
  // CHECK: heddle.yield
  // CHECK: heddle.kernel "addf"
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %s = arith.addf %x, %x : tensor<?x8xf32>
  %d = tensor.dim %s, %c0 : tensor<?x8xf32>
  %e = tensor.empty(%d) : tensor<?x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %g = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]} ins(%s : tensor<?x8xf32>) outs(%f : tensor<?x8xf32>) {
  ^bb0(%a: f32, %b: f32):
    %m = arith.maximumf %a, %zero : f32
    %n = arith.addf %m, %b : f32
    linalg.yield %n : f32
  } -> tensor<?x8xf32>
  %r = arith.addf %g, %g : tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// The sum of a token's slots opens a kernel of rows, and ends what stands before: the slots lie
// in any rows.
// CHECK-LABEL: @combine
// CHECK: heddle.kernel "glu"
// CHECK: heddle.kernel "combine+addf"
func.func @combine(%x: tensor<?x8xf32>, %ys: tensor<?x16xf32>, %w: tensor<?x2xf32>, %p: tensor<?x2xi32>) -> tensor<?x8xf32> {
  %0 = heddle.glu %ys, %ys {activation = #heddle.activation<silu>} : tensor<?x16xf32>
  %1 = heddle.combine %0, %w, %p : tensor<?x16xf32>, tensor<?x2xf32>, tensor<?x2xi32>
  %2 = arith.addf %x, %1 : tensor<?x8xf32>
  return %2 : tensor<?x8xf32>
}
