// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(heddle-fuse-gated-mlp))' | FileCheck %s

!rows = tensor<?x64xf32, #heddle.rows<i8, group = 32>>
!w = tensor<64x64xf32, #heddle.enc<i8, group = 32, scale = true>>

// The conversion for the next product is made where the activation is.
// CHECK-LABEL: @gated
// CHECK: %[[K:.*]] = heddle.kernel "linear+linear+glu+convert_rows"
// CHECK: return %[[K]]
func.func @gated(%x: !rows, %g: !w, %u: !w) -> !rows {
  %0 = heddle.linear %x, %g : !rows, !w
  %1 = heddle.linear %x, %u : !rows, !w
  %2 = heddle.glu %0, %1 {activation = #heddle.activation<silu>} : tensor<?x64xf32>
  %3 = heddle.convert_rows %2 : tensor<?x64xf32> -> !rows
  return %3 : !rows
}

// CHECK-LABEL: @one_token
// CHECK: heddle.kernel "rms_norm+convert_rows+linear+linear+glu"
func.func @one_token(%x: tensor<1x64xf32>, %n: tensor<64xf32>, %g: !w, %u: !w) -> tensor<1x64xf32> attributes {heddle.max_tokens = 1 : i64} {
  %h = heddle.rms_norm %x, %n {epsilon = 1.0e-5 : f64} : tensor<1x64xf32>, tensor<64xf32>
  %c = heddle.convert_rows %h : tensor<1x64xf32> -> tensor<1x64xf32, #heddle.rows<i8, group = 32>>
  %0 = heddle.linear %c, %g : tensor<1x64xf32, #heddle.rows<i8, group = 32>>, !w
  %1 = heddle.linear %c, %u : tensor<1x64xf32, #heddle.rows<i8, group = 32>>, !w
  %2 = heddle.glu %0, %1 {activation = #heddle.activation<silu>} : tensor<1x64xf32>
  return %2 : tensor<1x64xf32>
}

// Must not fire where gate has another reader.
// CHECK-LABEL: @other_reader
// CHECK-NOT: heddle.kernel
func.func @other_reader(%x: !rows, %g: !w, %u: !w) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %0 = heddle.linear %x, %g : !rows, !w
  %1 = heddle.linear %x, %u : !rows, !w
  %2 = heddle.glu %0, %1 {activation = #heddle.activation<silu>} : tensor<?x64xf32>
  return %2, %0 : tensor<?x64xf32>, tensor<?x64xf32>
}

!experts = tensor<4x64x64xf32, #heddle.enc<i8, group = 32, scale = true>>

// Of experts, whatever their form.
// CHECK-LABEL: @grouped
// CHECK: heddle.kernel "grouped_matmul+grouped_matmul+glu+convert_rows"
func.func @grouped(%x: tensor<?x128xf32>, %o: tensor<5xi32>, %g: !experts, %u: !experts) -> tensor<?x128xf32, #heddle.rows<i8, group = 32>> {
  %0 = heddle.grouped_matmul %x, %g, %o : tensor<?x128xf32>, !experts, tensor<5xi32>
  %1 = heddle.grouped_matmul %x, %u, %o : tensor<?x128xf32>, !experts, tensor<5xi32>
  %2 = heddle.glu %0, %1 {activation = #heddle.activation<silu>} : tensor<?x128xf32>
  %3 = heddle.convert_rows %2 : tensor<?x128xf32> -> tensor<?x128xf32, #heddle.rows<i8, group = 32>>
  return %3 : tensor<?x128xf32, #heddle.rows<i8, group = 32>>
}

// CHECK-LABEL: @routed
// CHECK: heddle.kernel "routed_matmul+routed_matmul+glu"
func.func @routed(%x: tensor<1x64xf32>, %ids: tensor<1x2xi32>, %g: !experts, %u: !experts) -> tensor<1x128xf32> attributes {heddle.max_tokens = 1 : i64} {
  %0 = heddle.routed_matmul %x, %g, %ids : tensor<1x64xf32>, !experts, tensor<1x2xi32>
  %1 = heddle.routed_matmul %x, %u, %ids : tensor<1x64xf32>, !experts, tensor<1x2xi32>
  %2 = heddle.glu %0, %1 {activation = #heddle.activation<silu>} : tensor<1x128xf32>
  return %2 : tensor<1x128xf32>
}

// Must not fire where gate and up are of other groups.
// CHECK-LABEL: @other_groups
// CHECK-NOT: heddle.kernel
func.func @other_groups(%x: tensor<?x128xf32>, %o: tensor<5xi32>, %p: tensor<5xi32>, %g: !experts, %u: !experts) -> tensor<?x128xf32> {
  %0 = heddle.grouped_matmul %x, %g, %o : tensor<?x128xf32>, !experts, tensor<5xi32>
  %1 = heddle.grouped_matmul %x, %u, %p : tensor<?x128xf32>, !experts, tensor<5xi32>
  %2 = heddle.glu %0, %1 {activation = #heddle.activation<silu>} : tensor<?x128xf32>
  return %2 : tensor<?x128xf32>
}

// Biases are inputs of the kernel, each beside its weight.
// CHECK-LABEL: @biased
// CHECK-SAME: %[[B:[a-z0-9]+]]: tensor<4x64xf32>, %[[C:[a-z0-9]+]]: tensor<4x64xf32>)
// CHECK: heddle.kernel "routed_matmul+routed_matmul+glu"(%{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %{{[a-z0-9]+}}, %[[B]], %{{[a-z0-9]+}}, %[[C]])
// CHECK-COUNT-2: heddle.routed_matmul {{.*}} bias
func.func @biased(%x: tensor<1x64xf32>, %ids: tensor<1x2xi32>, %g: !experts, %u: !experts, %b: tensor<4x64xf32>, %c: tensor<4x64xf32>) -> tensor<1x128xf32> attributes {heddle.max_tokens = 1 : i64} {
  %0 = heddle.routed_matmul %x, %g, %ids bias %b : tensor<1x64xf32>, !experts, tensor<1x2xi32>, tensor<4x64xf32>
  %1 = heddle.routed_matmul %x, %u, %ids bias %c : tensor<1x64xf32>, !experts, tensor<1x2xi32>, tensor<4x64xf32>
  %2 = heddle.glu %0, %1 {activation = #heddle.activation<oai>} : tensor<1x128xf32>
  return %2 : tensor<1x128xf32>
}
