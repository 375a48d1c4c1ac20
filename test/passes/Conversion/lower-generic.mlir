// RUN: heddle-opt %s --heddle-lower-generic='lanes=8' | FileCheck %s
// RUN: heddle-opt %s --heddle-lower-generic='lanes=4' | FileCheck %s --check-prefix=FOUR

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>

// 20 = 2 vectors of 8 and 4 single elements.
// CHECK-LABEL: @elementwise
// CHECK-NOT: {{tensor|alloc|linalg}}
// CHECK: scf.for {{.*}} to %c16 step %c8
// CHECK: vector.load {{.*}} vector<8xf32>
// CHECK: math.exp {{.*}} : vector<8xf32>
// CHECK: vector.store
// CHECK: scf.for {{.*}} to %c4 step %c1
// CHECK: math.exp {{.*}} : f32
// CHECK: return
// FOUR-LABEL: @elementwise
// FOUR: scf.for {{.*}} to %c20 step %c4
// FOUR: math.exp {{.*}} : vector<4xf32>
// FOUR-NOT: math.exp
// FOUR: return
func.func @elementwise(%a: memref<1x20xf32>, %b: memref<1x20xf32>) {
  %x = bufferization.to_tensor %a restrict : memref<1x20xf32> to tensor<1x20xf32>
  %e = tensor.empty() : tensor<1x20xf32>
  %y = linalg.exp ins(%x : tensor<1x20xf32>) outs(%e : tensor<1x20xf32>) -> tensor<1x20xf32>
  bufferization.materialize_in_destination %y in restrict writable %b : (tensor<1x20xf32>, memref<1x20xf32>) -> ()
  return
}

// A sum is one ascending chain for each element, with no flag that lets it move.
// CHECK-LABEL: @sum
// CHECK-NOT: {{vector.reduction|multi_reduction|fastmath|reassoc}}
// CHECK: scf.for {{.*}} to %c20 step %c1
// CHECK: arith.addf {{.*}} : f32
// CHECK: return
func.func @sum(%a: memref<?x20xf32>, %b: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %x = bufferization.to_tensor %a restrict : memref<?x20xf32> to tensor<?x20xf32>
  %d = memref.dim %b, %c0 : memref<?xf32>
  %e = tensor.empty(%d) : tensor<?xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %y = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
    ins(%x : tensor<?x20xf32>) outs(%f : tensor<?xf32>) {
  ^bb0(%p: f32, %q: f32):
    %s = arith.addf %q, %p : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  bufferization.materialize_in_destination %y in restrict writable %b : (tensor<?xf32>, memref<?xf32>) -> ()
  return
}

// Columns: the accumulators stay in a register over the loop.
// CHECK-LABEL: @columns
// CHECK: scf.for {{.*}} step %c8
// CHECK: scf.for {{.*}} iter_args(%{{.*}}) -> (vector<8xf32>)
// CHECK-NEXT: {{.*}}subview
// CHECK-NEXT: vector.load
// CHECK-NEXT: arith.addf {{.*}} : vector<8xf32>
// CHECK-NEXT: scf.yield
// CHECK: return
func.func @columns(%a: memref<20x16xf32>, %b: memref<16xf32>) {
  %zero = arith.constant 0.0 : f32
  %x = bufferization.to_tensor %a restrict : memref<20x16xf32> to tensor<20x16xf32>
  %e = tensor.empty() : tensor<16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<16xf32>) -> tensor<16xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, #row], iterator_types = ["parallel", "reduction"]}
    ins(%x : tensor<20x16xf32>) outs(%f : tensor<16xf32>) {
  ^bb0(%p: f32, %q: f32):
    %s = arith.addf %q, %p : f32
    linalg.yield %s : f32
  } -> tensor<16xf32>
  bufferization.materialize_in_destination %y in restrict writable %b : (tensor<16xf32>, memref<16xf32>) -> ()
  return
}

// A temporary lies on the stack, once, whatever loop it is used in; no library is called.
// CHECK-LABEL: @temporary
// CHECK: memref.alloca() {alignment = 64 : i64} : memref<1xf32>
// CHECK: scf.for
// CHECK-NOT: {{memref.alloc|call|math.erf|memref.copy}}
// CHECK: return
func.func @temporary(%a: memref<?x20xf32>, %b: memref<?x20xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %t = %c0 to %n step %c1 {
    %ra = memref.subview %a[%t, 0] [1, 20] [1, 1] : memref<?x20xf32> to memref<1x20xf32, strided<[20, 1], offset: ?>>
    %rb = memref.subview %b[%t, 0] [1, 20] [1, 1] : memref<?x20xf32> to memref<1x20xf32, strided<[20, 1], offset: ?>>
    %x = bufferization.to_tensor %ra restrict : memref<1x20xf32, strided<[20, 1], offset: ?>> to tensor<1x20xf32>
    %e = math.erf %x : tensor<1x20xf32>
    %o = tensor.empty() : tensor<1x20xf32>
    %y = linalg.softmax dimension(1) ins(%e : tensor<1x20xf32>) outs(%o : tensor<1x20xf32>) -> tensor<1x20xf32>
    bufferization.materialize_in_destination %y in restrict writable %rb : (tensor<1x20xf32>, memref<1x20xf32, strided<[20, 1], offset: ?>>) -> ()
  }
  return
}

// Read backwards: loops over single elements.
// CHECK-LABEL: @reverse
// CHECK: %[[I:.*]] = arith.{{subi|muli|addi}}
// CHECK: memref.load
// CHECK: return
func.func @reverse(%a: memref<16xf32>, %b: memref<16xf32>) {
  %x = bufferization.to_tensor %a restrict : memref<16xf32> to tensor<16xf32>
  %o = tensor.empty() : tensor<16xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i) -> (15 - i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
    ins(%x : tensor<16xf32>) outs(%o : tensor<16xf32>) {
  ^bb0(%p: f32, %q: f32):
    linalg.yield %p : f32
  } -> tensor<16xf32>
  bufferization.materialize_in_destination %y in restrict writable %b : (tensor<16xf32>, memref<16xf32>) -> ()
  return
}

// Must not fire: kernels of vector loops, and graphs of launches, have no linalg.
// CHECK-LABEL: @loops
// CHECK-NEXT: %[[C:.*]] = arith.constant 0 : index
// CHECK-NEXT: %[[V:.*]] = vector.load %{{.*}}[%[[C]], %[[C]]]
// CHECK-NEXT: %{{.*}} = arith.addf %[[V]], %[[V]]
// CHECK-NEXT: %{{.*}} = arith.addf %[[V]], %[[V]]
// CHECK-NEXT: return
func.func @loops(%a: memref<1x20xf32>) {
  %c0 = arith.constant 0 : index
  %v = vector.load %a[%c0, %c0] : memref<1x20xf32>, vector<4xf32>
  %w = arith.addf %v, %v : vector<4xf32>
  %u = arith.addf %v, %v : vector<4xf32>
  return
}
// CHECK-LABEL: @graph
// CHECK-NEXT: arith.addf {{.*}} : tensor<1x20xf32>
func.func @graph(%x: tensor<1x20xf32>) -> tensor<1x20xf32> {
  %y = arith.addf %x, %x : tensor<1x20xf32>
  return %y : tensor<1x20xf32>
}
