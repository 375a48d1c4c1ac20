// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(heddle-lower-experts))' | FileCheck %s

!up = tensor<8x96x64xf32, #heddle.enc<i8, group = 32, scale = true>>
!down = tensor<8x64x96xf32, #heddle.enc<i8, group = 32, scale = true>>
!codes1 = tensor<1x64xf32, #heddle.rows<i8, group = 32>>
!codes = tensor<?x64xf32, #heddle.rows<i8, group = 32>>

// One token needs no plan, and reads the experts of its slots.
// CHECK-LABEL: @one
// CHECK-SAME: %[[X:.*]]: tensor<1x64xf32>, %[[IDS:.*]]: tensor<1x2xi32>, %[[W:.*]]: tensor<1x2xf32>, %[[U:.*]]: tensor<8x96x64xf32, {{.*}}, %[[D:[a-z0-9]*]]: tensor<8x64x96xf32
// CHECK-NOT: heddle.plan
// CHECK: %[[G:.*]] = heddle.routed_matmul %[[X]], %[[U]], %[[IDS]]
// CHECK: %[[P:.*]] = heddle.routed_matmul %[[X]], %[[U]], %[[IDS]]
// CHECK: %[[H:.*]] = heddle.glu %[[G]], %[[P]] {activation = #heddle.activation<silu>} : tensor<1x192xf32>
// CHECK: %[[Y:.*]] = heddle.routed_matmul %[[H]], %[[D]], %[[IDS]]
// CHECK: heddle.combine %[[Y]], %[[W]] : tensor<1x128xf32>, tensor<1x2xf32>
func.func @one(%x: tensor<1x64xf32>, %ids: tensor<1x2xi32>, %w: tensor<1x2xf32>, %up: !up, %down: !down) -> tensor<1x64xf32> {
  %y = heddle.experts %x, %ids, %w, %up, %up, %down {activation = #heddle.activation<silu>}
    : tensor<1x64xf32>, tensor<1x2xi32>, tensor<1x2xf32>, !up, !up, !down
  return %y : tensor<1x64xf32>
}

// Biases go with their products.
// CHECK-LABEL: @one_biased
// CHECK: heddle.routed_matmul %{{.*}}, %{{.*}}, %{{.*}} bias %[[G:[a-z0-9]+]] : tensor<1x64xf32>
// CHECK: heddle.routed_matmul %{{.*}}, %{{.*}}, %{{.*}} bias %[[U:[a-z0-9]+]] : tensor<1x64xf32>
// CHECK: heddle.glu {{.*}} {activation = #heddle.activation<oai>}
// CHECK: heddle.routed_matmul %{{.*}}, %{{.*}}, %{{.*}} bias %[[D:[a-z0-9]+]] : tensor<1x192xf32>, tensor<8x64x96xf32, {{.*}}>, tensor<1x2xi32>, tensor<8x64xf32>
// CHECK: heddle.combine
func.func @one_biased(%x: tensor<1x64xf32>, %ids: tensor<1x2xi32>, %w: tensor<1x2xf32>, %up: !up, %down: !down, %b: tensor<8x96xf32>, %c: tensor<8x96xf32>, %d: tensor<8x64xf32>) -> tensor<1x64xf32> {
  %y = heddle.experts %x, %ids, %w, %up, %up, %down biases(%b, %c, %d) {activation = #heddle.activation<oai>}
    : tensor<1x64xf32>, tensor<1x2xi32>, tensor<1x2xf32>, !up, !up, !down biases(tensor<8x96xf32>, tensor<8x96xf32>, tensor<8x64xf32>)
  return %y : tensor<1x64xf32>
}

// CHECK-LABEL: @many_biased
// CHECK-SAME: %[[B:[a-z0-9]+]]: tensor<8x96xf32>, %[[C:[a-z0-9]+]]: tensor<8x96xf32>, %[[D:[a-z0-9]+]]: tensor<8x64xf32>
// CHECK: heddle.grouped_matmul {{.*}} bias %[[B]] :
// CHECK: heddle.grouped_matmul {{.*}} bias %[[C]] :
// CHECK: heddle.grouped_matmul {{.*}} bias %[[D]] :
func.func @many_biased(%x: tensor<?x64xf32>, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %up: !up, %down: !down, %b: tensor<8x96xf32>, %c: tensor<8x96xf32>, %d: tensor<8x64xf32>) -> tensor<?x64xf32> {
  %y = heddle.experts %x, %ids, %w, %up, %up, %down biases(%b, %c, %d) {activation = #heddle.activation<oai>}
    : tensor<?x64xf32>, tensor<?x2xi32>, tensor<?x2xf32>, !up, !up, !down biases(tensor<8x96xf32>, tensor<8x96xf32>, tensor<8x64xf32>)
  return %y : tensor<?x64xf32>
}

// Rows of codes are dispatched as they are, and what enters `down` is converted.
// CHECK-LABEL: @many
// CHECK-SAME: %[[X:.*]]: tensor<?x64xf32, #heddle.rows<i8, group = 32>>, %[[IDS:.*]]: tensor<?x2xi32>, %[[W:.*]]: tensor<?x2xf32>
// CHECK: %[[ORDER:.*]], %[[POSITION:.*]], %[[OFFSETS:.*]] = heddle.plan %[[IDS]] {experts = 8 : i64}
// CHECK: %[[XS:.*]] = heddle.dispatch %[[X]], %[[ORDER]]
// CHECK: %[[G:.*]] = heddle.grouped_matmul %[[XS]], %{{.*}}, %[[OFFSETS]] : tensor<?x128xf32, #heddle.rows<i8, group = 32>>
// CHECK: %[[P:.*]] = heddle.grouped_matmul %[[XS]], %{{.*}}, %[[OFFSETS]]
// CHECK: %[[H:.*]] = heddle.glu %[[G]], %[[P]]
// CHECK: %[[C:.*]] = heddle.convert_rows %[[H]] : tensor<?x192xf32> -> tensor<?x192xf32, #heddle.rows<i8, group = 32>>
// CHECK: %[[Y:.*]] = heddle.grouped_matmul %[[C]], %{{.*}}, %[[OFFSETS]]
// CHECK: heddle.combine %[[Y]], %[[W]], %[[POSITION]]
func.func @many(%x: !codes, %ids: tensor<?x2xi32>, %w: tensor<?x2xf32>, %up: !up, %down: !down) -> tensor<?x64xf32> {
  %y = heddle.experts %x, %ids, %w, %up, %up, %down {activation = #heddle.activation<silu>, hidden = #heddle.rows<i8, group = 32>}
    : !codes, tensor<?x2xi32>, tensor<?x2xf32>, !up, !up, !down
  return %y : tensor<?x64xf32>
}

// A dense unit stays.
// CHECK-LABEL: @dense
// CHECK-NEXT: heddle.linear
// CHECK-NEXT: heddle.glu
// CHECK-NEXT: return
func.func @dense(%x: tensor<?x64xf32>, %w: tensor<96x64xf32, #heddle.enc<f32>>) -> tensor<?x96xf32> {
  %0 = heddle.linear %x, %w : tensor<?x64xf32>, tensor<96x64xf32, #heddle.enc<f32>>
  %1 = heddle.glu %0, %0 {activation = #heddle.activation<silu>} : tensor<?x96xf32>
  return %1 : tensor<?x96xf32>
}
