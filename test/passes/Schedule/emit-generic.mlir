// RUN: heddle-opt %s --heddle-emit-kernels -split-input-file | FileCheck %s
// No op on tensors, allocation or call is left in a kernel.
// RUN: heddle-opt %s --heddle-emit-kernels --heddle-lower-generic -split-input-file | FileCheck %s --check-prefix=LOOPS \
// RUN:   --implicit-check-not='memref.alloc()' --implicit-check-not='memref.copy' --implicit-check-not='bufferization.' \
// RUN:   --implicit-check-not='linalg.' --implicit-check-not='tensor.' --implicit-check-not='call'

// Ops that the schedule names leave their emitter; their neighbours keep it.
// CHECK: func.func private @{{.*}}(%{{.*}}: index, %{{.*}}: index, %[[X:.*]]: memref<?x8xf32>, %[[W:.*]]: memref<8xf32>, %[[Y:.*]]: memref<?x8xf32>)
// CHECK: %[[TMP:.*]] = memref.alloca() {{.*}}: memref<1x8xf32>
// CHECK: scf.for %[[T:.*]] =
// CHECK: memref.subview %[[TMP]]
// CHECK: bufferization.to_tensor {{.*}} restrict : memref<1x8xf32{{.*}}> to tensor<1x8xf32>
// CHECK: bufferization.to_tensor %[[W]] restrict : memref<8xf32> to tensor<8xf32>
// CHECK: memref.subview %[[Y]][%[[T]], 0] [1, 8] [1, 1]
// CHECK: linalg.generic
// CHECK: math.sqrt
// CHECK: bufferization.materialize_in_destination {{.*}} in restrict writable
// CHECK: heddle.launch {{.*}} aligned [true, true] -> [true]
// LOOPS-LABEL: func.func @rows
func.func @rows(%x: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  %0 = heddle.kernel "r" (%x, %w) schedule <"rows", {lanes = 4 : i64, generic = ["heddle.rms_norm"]}> : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>, %b: tensor<8xf32>):
    %1 = arith.addf %a, %a : tensor<?x8xf32>
    %2 = heddle.rms_norm %1, %b {epsilon = 1.0e-5 : f64} : tensor<?x8xf32>, tensor<8xf32>
    heddle.yield %2 : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

// Alone in a kernel: one item. Panels of one f32 row are the matrix.
!weight = tensor<20x8xf32, #heddle.packed<<f32>, rows = 1>>

// CHECK: func.func private @{{.*}}(%[[LO:.*]]: index, %[[HI:.*]]: index, %{{.*}}: memref<?x8xf32>, %[[B:.*]]: memref<20x8x4xi8>
// CHECK: scf.for %{{.*}} = %[[LO]] to %[[HI]]
// CHECK: %[[FLAT:.*]] = memref.collapse_shape %[[B]]
// CHECK: memref.view %[[FLAT]]{{.*}} : memref<640xi8> to memref<20x8xf32>
// CHECK: math.fma
// CHECK: heddle.launch {{.*}} items #[[MAP:.*]] aligned [false, false, false] -> [false]
// One chain of fma in registers, and no temporary though the token count is dynamic.
// LOOPS-NOT: memref.alloca
// LOOPS: scf.for {{.*}} iter_args(%{{.*}}) -> (vector<4xf32>)
// LOOPS: math.fma {{.*}} : vector<4xf32>
// LOOPS-LABEL: func.func @whole
func.func @whole(%x: tensor<?x8xf32>, %w: !weight, %bias: tensor<20xf32>) -> tensor<?x20xf32> {
  %0 = heddle.kernel "l" (%x, %w, %bias) schedule <"generic", {lanes = 4 : i64}> : (tensor<?x8xf32>, !weight, tensor<20xf32>) -> tensor<?x20xf32> {
  ^bb0(%a: tensor<?x8xf32>, %b: !weight, %c: tensor<20xf32>):
    %1 = heddle.linear %a, %b, %c : tensor<?x8xf32>, !weight, tensor<20xf32>
    heddle.yield %1 : tensor<?x20xf32>
  }
  return %0 : tensor<?x20xf32>
}

// -----

// Upstream ops lower to themselves; a reduction's consumer computes in its place.
// LOOPS: func.func private
// LOOPS-NOT: memref.alloca
// LOOPS: heddle.launch
func.func @upstream(%x: tensor<?x8xf32>) -> tensor<?x20xf32> {
  %0 = heddle.kernel "u" (%x) schedule <"generic", {lanes = 4 : i64}> : (tensor<?x8xf32>) -> tensor<?x20xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %w = arith.constant dense<2.0> : tensor<8x20xf32>
    %d = tensor.dim %a, %c0 : tensor<?x8xf32>
    %e = tensor.empty(%d) : tensor<?x20xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x20xf32>) -> tensor<?x20xf32>
    %m = linalg.matmul ins(%a, %w : tensor<?x8xf32>, tensor<8x20xf32>) outs(%f : tensor<?x20xf32>) -> tensor<?x20xf32>
    %t = math.tanh %m : tensor<?x20xf32>
    heddle.yield %t : tensor<?x20xf32>
  }
  return %0 : tensor<?x20xf32>
}
