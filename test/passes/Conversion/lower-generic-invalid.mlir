// RUN: heddle-opt %s --heddle-lower-generic -split-input-file -verify-diagnostics
// RUN: not heddle-opt %s --heddle-lower-generic='lanes=65' 2>&1 | FileCheck %s --check-prefix=LANES

// LANES: lanes = 65, limit 1 to 64

func.func @dynamic(%a: memref<?x20xf32>, %b: memref<?x20xf32>) {
  %c0 = arith.constant 0 : index
  %x = bufferization.to_tensor %a restrict : memref<?x20xf32> to tensor<?x20xf32>
  %d = memref.dim %a, %c0 : memref<?x20xf32>
  %e = tensor.empty(%d) : tensor<?x20xf32>
  // Its maxima and sums, one for each row.
  // expected-error @below {{unsupported: kernel "dynamic" needs a temporary 'memref<?xf32>', whose size is dynamic}}
  // expected-error @below {{failed to bufferize op}}
  %y = linalg.softmax dimension(1) ins(%x : tensor<?x20xf32>) outs(%e : tensor<?x20xf32>) -> tensor<?x20xf32>
  bufferization.materialize_in_destination %y in restrict writable %b : (tensor<?x20xf32>, memref<?x20xf32>) -> ()
  return
}

// -----

func.func @large(%a: memref<16385xf32>, %b: memref<16385xf32>) {
  %x = bufferization.to_tensor %a restrict : memref<16385xf32> to tensor<16385xf32>
  // expected-error @below {{unsupported: kernel "large" needs a temporary 'memref<16385xf32>' of 65540 bytes, limit 65536}}
  // expected-error @below {{failed to bufferize op}}
  %e = tensor.empty() : tensor<16385xf32>
  %r = linalg.exp ins(%x : tensor<16385xf32>) outs(%e : tensor<16385xf32>) -> tensor<16385xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i) -> (0)>, affine_map<(i) -> (i)>],
                       iterator_types = ["parallel"]} ins(%r : tensor<16385xf32>) outs(%e : tensor<16385xf32>) {
  ^bb0(%p: f32, %q: f32):
    linalg.yield %p : f32
  } -> tensor<16385xf32>
  bufferization.materialize_in_destination %y in restrict writable %b : (tensor<16385xf32>, memref<16385xf32>) -> ()
  return
}

// -----

// A buffer at the entry serves one iteration at a time, so what a loop carries has to be
// updated in place.
func.func @carried(%a: memref<4x8xf32>, %b: memref<4x8xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %x = bufferization.to_tensor %a restrict : memref<4x8xf32> to tensor<4x8xf32>
  %y = scf.for %i = %c0 to %n step %c1 iter_args(%t = %x) -> (tensor<4x8xf32>) {
    %e = tensor.empty() : tensor<4x8xf32>
    %z = linalg.generic {indexing_maps = [affine_map<(i, j) -> (0, j)>, affine_map<(i, j) -> (i, j)>],
                         iterator_types = ["parallel", "parallel"]} ins(%t : tensor<4x8xf32>) outs(%e : tensor<4x8xf32>) {
    ^bb0(%p: f32, %q: f32):
      linalg.yield %p : f32
    } -> tensor<4x8xf32>
    // expected-error @below {{Yield operand #0 is not equivalent to the corresponding iter bbArg}}
    scf.yield %z : tensor<4x8xf32>
  }
  bufferization.materialize_in_destination %y in restrict writable %b : (tensor<4x8xf32>, memref<4x8xf32>) -> ()
  return
}

// -----

func.func @wide_math(%a: memref<8xf64>, %b: memref<8xf64>) {
  %x = bufferization.to_tensor %a restrict : memref<8xf64> to tensor<8xf64>
  // expected-error @below {{unsupported: math.erf of}}
  %y = math.erf %x : tensor<8xf64>
  bufferization.materialize_in_destination %y in restrict writable %b : (tensor<8xf64>, memref<8xf64>) -> ()
  return
}
