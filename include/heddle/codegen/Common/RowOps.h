//===- RowOps.h - Row-wise ops on one row, or on a slice of it --*- C++ -*-===//
//
// Kernels compute values row by row: a row-wise op reads and writes elements
// [first, first + width) of one row of each of its sliced operands and results.
// Kernels of row-wise ops take whole rows; what follows a matrix product takes
// the slice of columns that the product has just made.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_CODEGEN_COMMON_ROWOPS_H
#define HEDDLE_CODEGEN_COMMON_ROWOPS_H

#include "heddle/codegen/Common/KernelBuilder.h"

namespace heddle::codegen {

/// Where a value's row is: elements buffer[row, first + i]. Encoded rows
/// (#heddle.rows) count in elements too.
struct Row {
  Value buffer, row, first;
};

class RowOps {
public:
  /// `schedule` may name ops that leave their emitter for linalg (`generic`).
  RowOps(KernelBuilder &b, ScheduleAttr schedule);

  llvm::DenseMap<Value, Row> rows; // activations and ids
  llvm::DenseMap<Value, KernelBuilder::Values>
      whole; // parameters, caches, slots
  /// Where the slice starts in the row.
  Value column;

  /// Emits `op` on `width` elements: its emitter, or its lowering to linalg.
  /// Fails, naming the op, if it has neither.
  mlir::LogicalResult emit(mlir::Operation *op, int64_t width);

  /// Calls `body` for whole vectors of f32 lanes, then for single elements.
  void elements(int64_t width,
                llvm::function_ref<void(Value i, int64_t n)> body);
  Value loadN(Row r, Value i, int64_t n) {
    return b.loadVec(r.buffer, {r.row, b.add(r.first, i)}, n);
  }
  void storeN(Value v, Row r, Value i) {
    b.storeVec(v, r.buffer, {r.row, b.add(r.first, i)});
  }

  /// `width` elements of x in the form `type`.
  void convert(Row x, Row out, RowsAttr type, int64_t width);

private:
  using Values = KernelBuilder::Values;
  KernelBuilder &b;

  Value zero() { return b.index(0); }
  Value load(Row r, Value i) {
    return b.load(r.buffer, {r.row, b.add(r.first, i)});
  }
  void store(Value v, Row r, Value i) {
    b.store(v, r.buffer, {r.row, b.add(r.first, i)});
  }
  Value id(Value ids) { return b.load(rows[ids].buffer, {rows[ids].row}); }

  void emit(EmbeddingOp op, int64_t width);
  void emit(SelectRowsOp op, int64_t width);
  void emit(RMSNormOp op, int64_t width);
  void emit(ConvertRowsOp op, int64_t width);
  void emit(RopeAnglesOp op, int64_t width);
  void emit(RopeOp op, int64_t width);
  void emit(CacheAppendOp op, int64_t width);
  void emit(GLUOp op, int64_t width);
  /// `size` elements of each head of x, from xFirst on, to outFirst of out's.
  void copyHeads(Row x, int64_t xHead, int64_t xFirst, Row out, int64_t outHead,
                 int64_t outFirst, int64_t size, int64_t heads);
  void emit(SliceHeadsOp op, int64_t width);
  void emit(ConcatHeadsOp op, int64_t width);
  // MoERowOps.cpp
  mlir::LogicalResult checkRowOp(mlir::Operation *op);
  void emit(RouteOp op, int64_t width);
  void emit(DispatchOp op, int64_t width);
  void emit(CombineOp op, int64_t width);
  void emit(GateRowsOp op, int64_t width);
  /// A sum or the like over `width` elements: vectors of lanes from `init` on,
  /// `tree` of the last, then single elements.
  Value reduce(int64_t width, double init,
               llvm::function_ref<Value(Value acc, Value i, int64_t n)> step,
               llvm::function_ref<Value(Value)> tree);
  void elementwise(mlir::Operation *op, int64_t width);
  /// Any op, on tensors of this row and whole parameters.
  mlir::LogicalResult generic(mlir::Operation *op, int64_t width);

  mlir::ArrayAttr forced;
};

/// Whether RowOps has an emitter for the op; else its lowering to linalg is
/// taken.
bool hasRowEmitter(mlir::Operation *op);

/// The operands that an op reads in the slice that it writes: their width is
/// the result's. What is left (angles, ids, parameters, caches) is read whole.
llvm::SmallVector<Value> slicedOperands(mlir::Operation *op);

/// Elements that the op cannot be cut within: a head, a group of codes; 1 if
/// any slice will do, 0 if it needs whole rows.
int64_t sliceUnit(mlir::Operation *op);

/// The width of the rows that an op makes, or appends to a cache.
int64_t rowWidth(mlir::Operation *op);

} // namespace heddle::codegen

#endif // HEDDLE_CODEGEN_COMMON_ROWOPS_H
