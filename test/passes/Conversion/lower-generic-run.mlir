// Numbers, for every width of vector the same: tails, windows, padding, transposes,
// reads backwards, several results. numpy gave the expected ones.
// DEFINE: %{llvm} = heddle-expand-math,convert-scf-to-cf,convert-vector-to-llvm,expand-strided-metadata,lower-affine,convert-math-to-llvm,convert-arith-to-llvm,finalize-memref-to-llvm,convert-index-to-llvm,convert-cf-to-llvm,convert-ub-to-llvm,convert-func-to-llvm,reconcile-unrealized-casts
// DEFINE: %{run} = mlir-runner -e main -entry-point-result=void -shared-libs=%llvm_lib/libmlir_runner_utils.so,%llvm_lib/libmlir_c_runner_utils.so
// RUN: heddle-opt %s --pass-pipeline='builtin.module(heddle-lower-generic{lanes=1},%{llvm})' | %{run} | FileCheck %s
// RUN: heddle-opt %s --pass-pipeline='builtin.module(heddle-lower-generic{lanes=4},%{llvm})' | %{run} | FileCheck %s
// RUN: heddle-opt %s --pass-pipeline='builtin.module(heddle-lower-generic{lanes=8},%{llvm})' | %{run} | FileCheck %s

// CHECK: {{\[\[}}65,   57,   49,   41,   47,   46,   31,   65,   57,   49,   41],
// CHECK-NEXT: [35,   46,   57,   33,   44,   27,   31,   35,   46,   57,   33],
// CHECK-NEXT: [47,   49,   51,   32,   69,   57,   52,   47,   49,   51,   32]]
// CHECK: {{\[\[}}0,   0,   0,   0,   0],
// CHECK-NEXT: [8,   10,   12,   7,   9],
// CHECK-NEXT: [10,   12,   7,   9,   11],
// CHECK-NEXT: [12,   7,   9,   11,   6],
// CHECK-NEXT: [7,   9,   11,   6,   8],
// CHECK-NEXT: [9,   11,   6,   8,   10]]
// CHECK: [65,  57,  69]
// CHECK: [0,  2,  4]
// CHECK: {{\[\[}}0.00690865,   0.3772,   0.0187797,   0.000934985,   0.0510484,   0.00254155,   0.138764,   0.00690865,   0.3772,   0.0187797,   0.000934985],
// CHECK-NEXT: [0.00118433,   0.064662,   0.00321933,   0.175769,   0.00875105,   0.477791,   0.0237878,   0.00118433,   0.064662,   0.00321933,   0.175769],
// CHECK-NEXT: [0.121955,   0.00607179,   0.331508,   0.0165048,   0.000821727,   0.0448648,   0.00223368,   0.121955,   0.00607179,   0.331508,   0.0165048]]

func.func private @printMemrefF32(memref<*xf32>) attributes {llvm.emit_c_interface}
#id = affine_map<(i, j) -> (i, j)>

func.func private @matmul(%a: memref<3x5xf32>, %b: memref<5x11xf32>, %c: memref<3x11xf32>) {
  %zero = arith.constant 0.0 : f32
  %x = bufferization.to_tensor %a restrict : memref<3x5xf32> to tensor<3x5xf32>
  %w = bufferization.to_tensor %b restrict : memref<5x11xf32> to tensor<5x11xf32>
  %e = tensor.empty() : tensor<3x11xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x11xf32>) -> tensor<3x11xf32>
  %y = linalg.matmul ins(%x, %w : tensor<3x5xf32>, tensor<5x11xf32>) outs(%f : tensor<3x11xf32>) -> tensor<3x11xf32>
  bufferization.materialize_in_destination %y in restrict writable %c : (tensor<3x11xf32>, memref<3x11xf32>) -> ()
  return
}
// A window of 3 with step 2, then a transpose and a padded edge.
func.func private @window(%a: memref<11x5xf32>, %c: memref<6x5xf32>) {
  %zero = arith.constant 0.0 : f32
  %x = bufferization.to_tensor %a restrict : memref<11x5xf32> to tensor<11x5xf32>
  %k = tensor.empty() : tensor<3xf32>
  %e = tensor.empty() : tensor<5x5xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<5x5xf32>) -> tensor<5x5xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, c, k) -> (2 * t + k, c)>, affine_map<(t, c, k) -> (k)>, affine_map<(t, c, k) -> (c, t)>],
                       iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %k : tensor<11x5xf32>, tensor<3xf32>) outs(%f : tensor<5x5xf32>) {
  ^bb0(%p: f32, %q: f32, %r: f32):
    %s = arith.addf %r, %p : f32
    linalg.yield %s : f32
  } -> tensor<5x5xf32>
  %z = tensor.pad %y low[1, 0] high[0, 0] {
  ^bb0(%i: index, %j: index):
    tensor.yield %zero : f32
  } : tensor<5x5xf32> to tensor<6x5xf32>
  bufferization.materialize_in_destination %z in restrict writable %c : (tensor<6x5xf32>, memref<6x5xf32>) -> ()
  return
}
// Softmax of each row, read backwards.
func.func private @softmax(%a: memref<3x11xf32>, %c: memref<3x11xf32>) {
  %x = bufferization.to_tensor %a restrict : memref<3x11xf32> to tensor<3x11xf32>
  %e = tensor.empty() : tensor<3x11xf32>
  %y = linalg.softmax dimension(1) ins(%x : tensor<3x11xf32>) outs(%e : tensor<3x11xf32>) -> tensor<3x11xf32>
  %z = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, 10 - j)>, #id], iterator_types = ["parallel", "parallel"]}
    ins(%y : tensor<3x11xf32>) outs(%e : tensor<3x11xf32>) {
  ^bb0(%p: f32, %q: f32):
    linalg.yield %p : f32
  } -> tensor<3x11xf32>
  bufferization.materialize_in_destination %z in restrict writable %c : (tensor<3x11xf32>, memref<3x11xf32>) -> ()
  return
}
// The index of each row's largest element, and that element: two results, no vector form.
func.func private @argmax(%a: memref<3x11xf32>, %c: memref<3xf32>, %d: memref<3xf32>) {
  %low = arith.constant -1.0e30 : f32
  %x = bufferization.to_tensor %a restrict : memref<3x11xf32> to tensor<3x11xf32>
  %e = tensor.empty() : tensor<3xf32>
  %f = linalg.fill ins(%low : f32) outs(%e : tensor<3xf32>) -> tensor<3xf32>
  %y:2 = linalg.generic {indexing_maps = [#id, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]}
    ins(%x : tensor<3x11xf32>) outs(%f, %f : tensor<3xf32>, tensor<3xf32>) {
  ^bb0(%p: f32, %q: f32, %r: f32):
    %more = arith.cmpf ogt, %p, %q : f32
    %j = linalg.index 1 : index
    %ji = arith.index_cast %j : index to i32
    %jf = arith.sitofp %ji : i32 to f32
    %m = arith.select %more, %p, %q : f32
    %n = arith.select %more, %jf, %r : f32
    linalg.yield %m, %n : f32, f32
  } -> (tensor<3xf32>, tensor<3xf32>)
  bufferization.materialize_in_destination %y#0 in restrict writable %c : (tensor<3xf32>, memref<3xf32>) -> ()
  bufferization.materialize_in_destination %y#1 in restrict writable %d : (tensor<3xf32>, memref<3xf32>) -> ()
  return
}

func.func private @fill(%m: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %d0 = memref.dim %m, %c0 : memref<?x?xf32>
  %d1 = memref.dim %m, %c1 : memref<?x?xf32>
  scf.for %i = %c0 to %d0 step %c1 {
    scf.for %j = %c0 to %d1 step %c1 {
      %c7 = arith.constant 7 : index
      %c3 = arith.constant 3 : index
      %c5 = arith.constant 5 : index
      %a = arith.muli %i, %c5 : index
      %b = arith.muli %j, %c3 : index
      %s = arith.addi %a, %b : index
      %r = arith.remui %s, %c7 : index
      %ri = arith.index_cast %r : index to i32
      %f = arith.sitofp %ri : i32 to f32
      memref.store %f, %m[%i, %j] : memref<?x?xf32>
    }
  }
  return
}

func.func @main() {
  %a = memref.alloca() : memref<3x5xf32>
  %b = memref.alloca() : memref<5x11xf32>
  %c = memref.alloca() : memref<3x11xf32>
  %d = memref.alloca() : memref<11x5xf32>
  %e = memref.alloca() : memref<6x5xf32>
  %g = memref.alloca() : memref<3xf32>
  %h = memref.alloca() : memref<3xf32>
  %ad = memref.cast %a : memref<3x5xf32> to memref<?x?xf32>
  %bd = memref.cast %b : memref<5x11xf32> to memref<?x?xf32>
  %dd = memref.cast %d : memref<11x5xf32> to memref<?x?xf32>
  call @fill(%ad) : (memref<?x?xf32>) -> ()
  call @fill(%bd) : (memref<?x?xf32>) -> ()
  call @fill(%dd) : (memref<?x?xf32>) -> ()
  call @matmul(%a, %b, %c) : (memref<3x5xf32>, memref<5x11xf32>, memref<3x11xf32>) -> ()
  %cu = memref.cast %c : memref<3x11xf32> to memref<*xf32>
  call @printMemrefF32(%cu) : (memref<*xf32>) -> ()
  call @window(%d, %e) : (memref<11x5xf32>, memref<6x5xf32>) -> ()
  %eu = memref.cast %e : memref<6x5xf32> to memref<*xf32>
  call @printMemrefF32(%eu) : (memref<*xf32>) -> ()
  call @argmax(%c, %g, %h) : (memref<3x11xf32>, memref<3xf32>, memref<3xf32>) -> ()
  %gu = memref.cast %g : memref<3xf32> to memref<*xf32>
  %hu = memref.cast %h : memref<3xf32> to memref<*xf32>
  call @printMemrefF32(%gu) : (memref<*xf32>) -> ()
  call @printMemrefF32(%hu) : (memref<*xf32>) -> ()
  %bs = memref.subview %b[0, 0] [3, 11] [1, 1] : memref<5x11xf32> to memref<3x11xf32, strided<[11, 1]>>
  %bt = memref.cast %bs : memref<3x11xf32, strided<[11, 1]>> to memref<3x11xf32>
  call @softmax(%bt, %c) : (memref<3x11xf32>, memref<3x11xf32>) -> ()
  call @printMemrefF32(%cu) : (memref<*xf32>) -> ()
  return
}
