// RUN: heddle-opt %s | heddle-opt | FileCheck %s
// RUN: heddle-opt %s --mlir-print-op-generic | heddle-opt | FileCheck %s

// CHECK-LABEL: @f
// CHECK-SAME: %[[CTX:.*]]: !heddle_rt.context, %[[TID:.*]]: index, %[[N:.*]]: index, %[[T:.*]]: index)
func.func @f(%ctx: !heddle_rt.context, %tid: index, %nthreads: index, %t: index) {
  // CHECK: heddle_rt.param %[[CTX]][%[[T]]] : memref<18x18x640xi8>
  %w = heddle_rt.param %ctx[%t] : memref<18x18x640xi8>
  // CHECK: heddle_rt.cache %[[CTX]][0] per 16 : memref<30x3x?x64x16xf32>
  %k = heddle_rt.cache %ctx[0] per 16 : memref<30x3x?x64x16xf32>
  // CHECK: heddle_rt.arena %[[CTX]][4096] rows %[[T]] : memref<?x576xf32>
  %x = heddle_rt.arena %ctx[4096] rows %t : memref<?x576xf32>
  // CHECK: heddle_rt.arena %[[CTX]][0] : memref<1x576xf32>
  %y = heddle_rt.arena %ctx[0] : memref<1x576xf32>
  // CHECK: heddle_rt.input %[[CTX]] "tokens" : memref<?xi32>
  %tokens = heddle_rt.input %ctx "tokens" : memref<?xi32>
  // CHECK: heddle_rt.input %[[CTX]] "positions" : memref<1xi32>
  %positions = heddle_rt.input %ctx "positions" : memref<1xi32>
  // CHECK: heddle_rt.input %[[CTX]] "rows" : memref<?xi32>
  %rows = heddle_rt.input %ctx "rows" : memref<?xi32>
  // CHECK: heddle_rt.input %[[CTX]] "logits" : memref<?x49152xf32>
  %logits = heddle_rt.input %ctx "logits" : memref<?x49152xf32>
  // CHECK: heddle_rt.share %[[T]], %[[TID]], %[[N]]
  %lo, %hi = heddle_rt.share %t, %tid, %nthreads
  // CHECK: heddle_rt.barrier %[[CTX]], %[[TID]], %[[N]]
  heddle_rt.barrier %ctx, %tid, %nthreads
  // CHECK: heddle_rt.mark %[[CTX]], %[[TID]] [3]
  heddle_rt.mark %ctx, %tid [3]
  return
}

// CHECK-LABEL: @experts
func.func @experts(%table: memref<10xi64>, %ids: memref<1x2xi32>, %offsets: memref<9xi32>, %e: index) {
  // CHECK: heddle_rt.fetch %[[TABLE:.*]], %{{.*}} : memref<10xi64>, memref<1x2xi32>
  heddle_rt.fetch %table, %ids : memref<10xi64>, memref<1x2xi32>
  // CHECK: heddle_rt.fetch %[[TABLE]], %{{.*}} grouped : memref<10xi64>, memref<9xi32>
  heddle_rt.fetch %table, %offsets grouped : memref<10xi64>, memref<9xi32>
  // CHECK: heddle_rt.expert %[[TABLE]][%{{.*}}] : memref<10xi64> -> memref<3x64x64xi8>
  %w = heddle_rt.expert %table[%e] : memref<10xi64> -> memref<3x64x64xi8>
  return
}
