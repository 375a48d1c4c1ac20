//===- EmitMatmul.h - The parts of a kernel with matrix products *- C++ -*-===//
#ifndef HEDDLE_CODEGEN_COMMON_EMITMATMUL_H
#define HEDDLE_CODEGEN_COMMON_EMITMATMUL_H

#include "heddle/codegen/Common/KernelBuilder.h"

namespace heddle::codegen {

/// What a kernel computes, as its emitter and its work split see it.
struct MatmulParts {
  /// Products and row-wise ops that share their columns.
  struct Space {
    llvm::SmallVector<LinearOp> linears;
    llvm::SmallVector<mlir::Operation *> ops;
    /// Columns, and those of one item; the last may have fewer.
    int64_t width = 0, unit = 1;
    int64_t items() const { return (width + unit - 1) / unit; }
  };
  /// Ops that make whole rows, before the products.
  llvm::SmallVector<mlir::Operation *> prologue;
  /// Longest items first.
  llvm::SmallVector<Space> spaces;
  int64_t items() const;
};

/// Fails with a diagnostic if the kernel has another form.
mlir::FailureOr<MatmulParts> partsOf(KernelOp kernel);

/// The operands of an op that multiplies rows by a stored weight, and adds a
/// bias where it has one; null of any other.
struct Product {
  Value x, weight, bias;
  explicit operator bool() const { return bool(weight); }
};
Product productOf(mlir::Operation *op);

/// What a kernel of experts' products computes.
struct ExpertParts {
  /// Of one token: the routing, which every thread computes.
  RouterOpInterface route;
  /// Comes before all products.
  FetchOp fetch;
  /// Products of the same rows, of one kind, and row-wise ops on what they
  /// make.
  llvm::SmallVector<mlir::Operation *> products, ops;
  /// Of one token: the sum over its slots, which stands before the ops.
  CombineOp combine;
  /// Columns of a row, and those of one item; experts, or slots of one token.
  int64_t width = 0, unit = 1, groups = 0;
  int64_t slices() const { return (width + unit - 1) / unit; }
  /// Slots that are summed are one item.
  int64_t items() const { return (combine ? 1 : groups) * slices(); }
};

/// Fails with a diagnostic if the kernel has another form.
mlir::FailureOr<ExpertParts> expertPartsOf(KernelOp kernel);

} // namespace heddle::codegen

#endif // HEDDLE_CODEGEN_COMMON_EMITMATMUL_H
