// DEFINE: %{opt} = heddle-opt --pass-pipeline='builtin.module(heddle-recognise-experts)'
// RUN: %{opt} %s | FileCheck %s
//
// Not normed, summed in another order, a residual around.
// RUN: sed -e 's/%w\[/%chosen[/' -e 's/%x0, %m0/%m2, %m0/' -e 's/%y1, %m2/%res, %y1/' %s | %{opt} | FileCheck %s --check-prefix=PLAIN
//
// Must not fire: an expert that is there twice, one that reads other rows, one of another activation, one with a
// bias, parameters that no one name stands for, and a routing by which the last of equal ones is chosen.
// RUN: sed 's/%w\[0, 2\]/%w[0, 0]/' %s | %{opt} | FileCheck %s --check-prefix=NOT
// RUN: sed 's/linear %x, %up1/linear %res, %up1/' %s | %{opt} | FileCheck %s --check-prefix=NOT
// RUN: sed '/%h1 = /s/silu/oai/' %s | %{opt} | FileCheck %s --check-prefix=NOT
// RUN: sed 's/%gate1 : !x, !up/%gate1, %b : !x, !up, tensor<16xf32>/' %s | %{opt} | FileCheck %s --check-prefix=NOT
// RUN: sed 's/experts.2.up/experts.3.up/' %s | %{opt} | FileCheck %s --check-prefix=NOT
// RUN: sed 's/ult, %j, %i/ugt, %j, %i/' %s | %{opt} | FileCheck %s --check-prefix=NOT
// NOT-NOT: heddle.experts
// NOT: linalg.softmax
// NOT-NOT: heddle.experts

!x = tensor<?x8xf32>
!e = tensor<?x3xf32>
!n = tensor<?x3xi32>
!h = tensor<?x16xf32>
!up = tensor<16x8xf32, #heddle.enc<f32>>
!down = tensor<8x16xf32, #heddle.enc<f32>>
#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#own = affine_map<(d0, d1, d2) -> (d0, d1)>
#other = affine_map<(d0, d1, d2) -> (d0, d2)>

// The two most likely of three experts, whose weights sum to 1.
// CHECK-LABEL: @normed
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %{{.*}}: tensor<?x8xf32>, %[[Z:.*]]: tensor<?x3xf32>
// CHECK-DAG: %[[G:.*]] = heddle.param "experts.*.gate.weight" : tensor<3x16x8xf32, #heddle.enc<f32>>
// CHECK-DAG: %[[U:.*]] = heddle.param "experts.*.up.weight" : tensor<3x16x8xf32, #heddle.enc<f32>>
// CHECK-DAG: %[[D:.*]] = heddle.param "experts.*.down.weight" : tensor<3x8x16xf32, #heddle.enc<f32>>
// CHECK: %[[I:.*]], %[[W:.*]] = heddle.route %[[Z]] {router = #heddle.router<k = 2, score = softmax, norm = sum>}
// CHECK-NEXT: %[[Y:.*]] = heddle.experts %[[X]], %[[I]], %[[W]], %[[G]], %[[U]], %[[D]] {activation = #heddle.activation<silu>}
// CHECK-NEXT: return %[[Y]]
// PLAIN: heddle.route {{.*}}#heddle.router<k = 2, score = softmax>}
// PLAIN-NEXT: %[[Y:.*]] = heddle.experts
// PLAIN-NEXT: %[[S:.*]] = arith.addf %{{.*}}, %[[Y]]
// PLAIN-NEXT: return %[[S]]
func.func @normed(%x: !x, %res: !x, %z: !e, %b: tensor<16xf32>) -> tensor<?x8xf32> {
  %zero = arith.constant 0.0 : f32
  %none = arith.constant 0 : i32
  %two = arith.constant 2 : i32
  %c0 = arith.constant 0 : index
  %t = tensor.dim %z, %c0 : !e
  %e = tensor.empty(%t) : !e
  %ei = tensor.empty(%t) : !n
  %er = tensor.empty(%t) : tensor<?xf32>
  %ex = tensor.empty(%t) : !x
  %p = linalg.softmax dimension(1) ins(%z : !e) outs(%e : !e) -> !e
  %i0 = linalg.fill ins(%none : i32) outs(%ei : !n) -> !n
  %rank = linalg.generic {indexing_maps = [#other, #own, #own], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p, %p : !e, !e) outs(%i0 : !n) {
  ^bb0(%pj: f32, %pe: f32, %count: i32):
    %i = linalg.index 1 : index
    %j = linalg.index 2 : index
    %larger = arith.cmpf ogt, %pj, %pe : f32
    %equal = arith.cmpf oeq, %pj, %pe : f32
    %first = arith.cmpi ult, %j, %i : index
    %tie = arith.andi %equal, %first : i1
    %before = arith.ori %larger, %tie : i1
    %one = arith.extui %before : i1 to i32
    %sum = arith.addi %count, %one : i32
    linalg.yield %sum : i32
  } -> !n
  %chosen = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%rank, %p : !n, !e) outs(%e : !e) {
  ^bb0(%rk: i32, %v: f32, %o: f32):
    %is = arith.cmpi slt, %rk, %two : i32
    %s = arith.select %is, %v, %zero : f32
    linalg.yield %s : f32
  } -> !e
  %r0 = linalg.fill ins(%zero : f32) outs(%er : tensor<?xf32>) -> tensor<?xf32>
  %total = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%chosen : !e) outs(%r0 : tensor<?xf32>) {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %o, %v : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  %w = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%chosen, %total : !e, tensor<?xf32>) outs(%e : !e) {
  ^bb0(%v: f32, %s: f32, %o: f32):
    %q = arith.divf %v, %s : f32
    linalg.yield %q : f32
  } -> !e
  %gate0 = heddle.param "experts.0.gate.weight" : !up
  %up0 = heddle.param "experts.0.up.weight" : !up
  %down0 = heddle.param "experts.0.down.weight" : !down
  %g0 = heddle.linear %x, %gate0 : !x, !up
  %u0 = heddle.linear %x, %up0 : !x, !up
  %h0 = heddle.glu %g0, %u0 {activation = #heddle.activation<silu>} : !h
  %d0 = heddle.linear %h0, %down0 : !h, !down
  %col0 = tensor.extract_slice %w[0, 0] [%t, 1] [1, 1] : !e to tensor<?xf32>
  %m0 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%d0, %col0 : !x, tensor<?xf32>) outs(%ex : !x) {
  ^bb0(%v: f32, %s: f32, %o: f32):
    %q = arith.mulf %v, %s : f32
    linalg.yield %q : f32
  } -> !x
  %gate1 = heddle.param "experts.1.gate.weight" : !up
  %up1 = heddle.param "experts.1.up.weight" : !up
  %down1 = heddle.param "experts.1.down.weight" : !down
  %g1 = heddle.linear %x, %gate1 : !x, !up
  %u1 = heddle.linear %x, %up1 : !x, !up
  %h1 = heddle.glu %g1, %u1 {activation = #heddle.activation<silu>} : !h
  %d1 = heddle.linear %h1, %down1 : !h, !down
  %col1 = tensor.extract_slice %w[0, 1] [%t, 1] [1, 1] : !e to tensor<?xf32>
  %m1 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%d1, %col1 : !x, tensor<?xf32>) outs(%ex : !x) {
  ^bb0(%v: f32, %s: f32, %o: f32):
    %q = arith.mulf %v, %s : f32
    linalg.yield %q : f32
  } -> !x
  %gate2 = heddle.param "experts.2.gate.weight" : !up
  %up2 = heddle.param "experts.2.up.weight" : !up
  %down2 = heddle.param "experts.2.down.weight" : !down
  %g2 = heddle.linear %x, %gate2 : !x, !up
  %u2 = heddle.linear %x, %up2 : !x, !up
  %h2 = heddle.glu %g2, %u2 {activation = #heddle.activation<silu>} : !h
  %d2 = heddle.linear %h2, %down2 : !h, !down
  %col2 = tensor.extract_slice %w[0, 2] [%t, 1] [1, 1] : !e to tensor<?xf32>
  %m2 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%d2, %col2 : !x, tensor<?xf32>) outs(%ex : !x) {
  ^bb0(%v: f32, %s: f32, %o: f32):
    %q = arith.mulf %v, %s : f32
    linalg.yield %q : f32
  } -> !x
  %x0 = linalg.fill ins(%zero : f32) outs(%ex : !x) -> !x
  %y0 = arith.addf %x0, %m0 : !x
  %y1 = arith.addf %y0, %m1 : !x
  %y = arith.addf %y1, %m2 : !x
  return %y : !x
}
