// RUN: heddle-opt %s --heddle-emit-kernels -split-input-file -verify-diagnostics

!w = tensor<4x48x64xf32, #heddle.packed<<f32>, rows = 16>>

func.func @routed_of_many(%x: tensor<?x64xf32>, %w: !w, %ids: tensor<?x2xi32>) -> tensor<?x96xf32> {
  // expected-error @below {{unsupported: heddle.routed_matmul of several tokens}}
  %0 = heddle.kernel "r" (%x, %w, %ids) schedule <"experts", {lanes = 8 : i64}> : (tensor<?x64xf32>, !w, tensor<?x2xi32>) -> tensor<?x96xf32> {
  ^bb0(%a: tensor<?x64xf32>, %b: !w, %c: tensor<?x2xi32>):
    %1 = heddle.routed_matmul %a, %b, %c : tensor<?x64xf32>, !w, tensor<?x2xi32>
    heddle.yield %1 : tensor<?x96xf32>
  }
  return %0 : tensor<?x96xf32>
}

// -----

!w = tensor<4x48x64xf32, #heddle.enc<f32>>

func.func @not_packed(%x: tensor<1x64xf32>, %w: !w, %ids: tensor<1x2xi32>) -> tensor<1x96xf32> {
  %0 = heddle.kernel "r" (%x, %w, %ids) schedule <"experts", {lanes = 8 : i64}> : (tensor<1x64xf32>, !w, tensor<1x2xi32>) -> tensor<1x96xf32> {
  ^bb0(%a: tensor<1x64xf32>, %b: !w, %c: tensor<1x2xi32>):
    // expected-error @below {{unsupported: products of experts in one kernel that differ, or whose weight is not packed}}
    %1 = heddle.routed_matmul %a, %b, %c : tensor<1x64xf32>, !w, tensor<1x2xi32>
    heddle.yield %1 : tensor<1x96xf32>
  }
  return %0 : tensor<1x96xf32>
}

// -----

!w = tensor<4x48x64xf32, #heddle.packed<<f32>, rows = 16>>

func.func @another_operand(%x: tensor<1x64xf32>, %w: !w, %ids: tensor<1x2xi32>, %y: tensor<1x96xf32>) -> tensor<1x96xf32> {
  %0 = heddle.kernel "r" (%x, %w, %ids, %y) schedule <"experts", {lanes = 8 : i64}> : (tensor<1x64xf32>, !w, tensor<1x2xi32>, tensor<1x96xf32>) -> tensor<1x96xf32> {
  ^bb0(%a: tensor<1x64xf32>, %b: !w, %c: tensor<1x2xi32>, %d: tensor<1x96xf32>):
    %1 = heddle.routed_matmul %a, %b, %c : tensor<1x64xf32>, !w, tensor<1x2xi32>
    // expected-error @below {{unsupported: arith.addf in a kernel of experts' products}}
    %2 = arith.addf %1, %d : tensor<1x96xf32>
    heddle.yield %2 : tensor<1x96xf32>
  }
  return %0 : tensor<1x96xf32>
}
