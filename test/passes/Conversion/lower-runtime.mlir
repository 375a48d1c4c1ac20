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
