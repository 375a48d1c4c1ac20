// RUN: heddle-opt %s --heddle-lower-runtime | FileCheck %s

// CHECK-NOT: heddle_rt
// CHECK: func.func @f(%[[CTX:.*]]: !llvm.ptr, %[[TID:.*]]: index, %[[N:.*]]: index, %{{.*}}: index)
// CHECK-NOT: heddle_rt
func.func @f(%ctx: !heddle_rt.context, %tid: index, %n: index, %t: index) -> (index, index, i32) {
  // CHECK: llvm.load
  %in = heddle_rt.input %ctx "tokens" : memref<?xi32>
  %c0 = arith.constant 0 : index
  %id = memref.load %in[%c0] : memref<?xi32>
  // CHECK: arith.divui
  %lo, %hi = heddle_rt.share %t, %tid, %n
  // The barrier is a call through the context.
  // CHECK: llvm.call %{{.*}}(%[[CTX]], %{{.*}}, %{{.*}}) : !llvm.ptr, (!llvm.ptr, i64, i64) -> ()
  heddle_rt.barrier %ctx, %tid, %n
  // So is a mark, if anybody wants it.
  // CHECK: %[[MARK:.*]] = llvm.load
  // CHECK: %[[WANTED:.*]] = llvm.icmp "ne" %[[MARK]], %{{.*}} : !llvm.ptr
  // CHECK: scf.if %[[WANTED]]
  // CHECK: %[[KERNEL:.*]] = llvm.mlir.constant(3 : i64)
  // CHECK: llvm.call %[[MARK]](%[[CTX]], %{{.*}}, %[[KERNEL]]) : !llvm.ptr, (!llvm.ptr, i64, i64) -> ()
  heddle_rt.mark %ctx, %tid [3]
  return %lo, %hi, %id : index, index, i32
}

// An expert is where its word of the table says; fetching is a call through the table's first word,
// where that is not null, with the count of ids, or of experts.
// CHECK-LABEL: func.func @experts
// CHECK-SAME: %[[TABLE:.*]]: memref<10xi64>, %[[IDS:.*]]: memref<1x2xi32>, %{{.*}}: memref<9xi32>, %[[E:.*]]: index
func.func @experts(%table: memref<10xi64>, %ids: memref<1x2xi32>, %offsets: memref<9xi32>, %e: index) -> i8 {
  // CHECK: %[[FETCH:.*]] = llvm.inttoptr %{{.*}} : i64 to !llvm.ptr
  // CHECK: %[[WANTED:.*]] = llvm.icmp "ne" %[[FETCH]]
  // CHECK: scf.if %[[WANTED]]
  // CHECK: %[[TWO:.*]] = llvm.mlir.constant(2 : i64)
  // CHECK: %[[NO:.*]] = llvm.mlir.constant(0 : i64)
  // CHECK: llvm.call %[[FETCH]](%{{.*}}, %{{.*}}, %[[TWO]], %[[NO]]) : !llvm.ptr, (!llvm.ptr, !llvm.ptr, i64, i64) -> ()
  heddle_rt.fetch %table, %ids : memref<10xi64>, memref<1x2xi32>
  // CHECK: %[[EIGHT:.*]] = llvm.mlir.constant(8 : i64)
  // CHECK: %[[YES:.*]] = llvm.mlir.constant(1 : i64)
  // CHECK: llvm.call %{{.*}}(%{{.*}}, %{{.*}}, %[[EIGHT]], %[[YES]])
  heddle_rt.fetch %table, %offsets grouped : memref<10xi64>, memref<9xi32>
  // CHECK: %[[HEADER:.*]] = arith.constant 2 : index
  // CHECK: %[[WORD:.*]] = arith.addi %[[E]], %[[HEADER]]
  // CHECK: memref.load %[[TABLE]][%[[WORD]]]
  // CHECK: llvm.inttoptr
  %w = heddle_rt.expert %table[%e] : memref<10xi64> -> memref<3x64x64xi8>
  %c0 = arith.constant 0 : index
  %b = memref.load %w[%c0, %c0, %c0] : memref<3x64x64xi8>
  return %b : i8
}
