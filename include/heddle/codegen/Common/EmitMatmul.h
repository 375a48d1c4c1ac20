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

} // namespace heddle::codegen

#endif // HEDDLE_CODEGEN_COMMON_EMITMATMUL_H
