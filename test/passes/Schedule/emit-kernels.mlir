// RUN: heddle-opt %s --heddle-emit-kernels -split-input-file -verify-diagnostics | FileCheck %s

// Equal kernels share a function.
// CHECK: func.func private @[[K:.*]](%{{.*}}: index, %{{.*}}: index, %{{.*}}: memref<?x8xf32>, %{{.*}}: memref<?x8xf32>)
// CHECK-NOT: func.func private
// CHECK: func.func @f
// CHECK-NOT: heddle.kernel
// CHECK: heddle.launch @[[K]](
// CHECK-SAME: aligned [true] -> [true]
// CHECK: heddle.launch @[[K]](
// CHECK-NOT: heddle.kernel
func.func @f(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = heddle.kernel "r" (%x) schedule <"rows", {lanes = 4 : i64}> : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    %1 = arith.addf %a, %a : tensor<?x8xf32>
    heddle.yield %1 : tensor<?x8xf32>
  }
  %2 = heddle.kernel "r" (%0) schedule <"rows", {lanes = 4 : i64}> : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    %1 = arith.addf %a, %a : tensor<?x8xf32>
    heddle.yield %1 : tensor<?x8xf32>
  }
  return %2 : tensor<?x8xf32>
}

// -----

func.func @no_schedule(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @below {{kernel "r" has no schedule}}
  %0 = heddle.kernel "r" (%x) : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    heddle.yield %a : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

func.func @no_emitter(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @below {{unsupported: emitter "gone"}}
  %0 = heddle.kernel "r" (%x) schedule <"gone", {}> : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    heddle.yield %a : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

func.func @no_op_emitter(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>) -> tensor<?x8xf32> {
  %0 = heddle.kernel "r" (%x, %w) schedule <"rows", {lanes = 4 : i64}> : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>, %b: tensor<8x8xf32>):
    // expected-error @below {{heddle.linear}}
    %1 = heddle.linear %a, %b : tensor<?x8xf32>, tensor<8x8xf32>
    heddle.yield %1 : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

func.func @plain_table(%ids: tensor<?xi32>, %w: tensor<4x8xf32>) -> tensor<?x8xf32> {
  %0 = heddle.kernel "r" (%ids, %w) schedule <"rows", {lanes = 4 : i64}> : (tensor<?xi32>, tensor<4x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?xi32>, %b: tensor<4x8xf32>):
    // expected-error @below {{an embedding needs a packed table}}
    %1 = heddle.embedding %a, %b : tensor<?xi32>, tensor<4x8xf32>
    heddle.yield %1 : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

func.func @no_lanes(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @below {{lanes = 0, limit a power of two, 1 to 64}}
  %0 = heddle.kernel "r" (%x) schedule <"rows", {lanes = 0 : i64}> : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    heddle.yield %a : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

func.func @no_op(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @below {{a matmul kernel needs a heddle.linear}}
  %0 = heddle.kernel "r" (%x) schedule <"matmul", {}> : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    heddle.yield %a : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

func.func @other_op(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @below {{an attention kernel begins with a heddle.attention}}
  %0 = heddle.kernel "r" (%x) schedule <"attention", {}> : (tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    %1 = arith.addf %a, %a : tensor<?x8xf32>
    heddle.yield %1 : tensor<?x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

func.func @no_tile(%x: tensor<?x8xf32>, %w: tensor<32x8xf32, #heddle.packed<<f32>, rows = 32>>) -> tensor<?x32xf32> {
  // expected-error @below {{token_tile = 0, token_block = 0, chunk_tile = 64, limit 1 to 64, 1 to 256, 1 to 64}}
  %0 = heddle.kernel "l" (%x, %w) schedule <"matmul", {token_tile = 0 : i64}>
      : (tensor<?x8xf32>, tensor<32x8xf32, #heddle.packed<<f32>, rows = 32>>) -> tensor<?x32xf32> {
  ^bb0(%a: tensor<?x8xf32>, %b: tensor<32x8xf32, #heddle.packed<<f32>, rows = 32>>):
    %1 = heddle.linear %a, %b : tensor<?x8xf32>, tensor<32x8xf32, #heddle.packed<<f32>, rows = 32>>
    heddle.yield %1 : tensor<?x32xf32>
  }
  return %0 : tensor<?x32xf32>
}
