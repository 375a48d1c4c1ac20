//===- Kernels.h - What fusion passes share ---------------------*- C++ -*-===//
#ifndef HEDDLE_PASSES_FUSION_KERNELS_H
#define HEDDLE_PASSES_FUSION_KERNELS_H

#include "heddle/dialects/Heddle/Heddle.h"
#include "llvm/ADT/SetVector.h"

namespace heddle {

using OpGroup = llvm::SetVector<mlir::Operation *>;

/// linalg and what surrounds it on tensors: one generic kernel, so that what
/// passes between its ops needs no buffer of the step.
bool isPlain(mlir::Operation *op);
/// A constant, or a scalar computed from others or from a shape: a generic
/// kernel computes its own.
bool isCheap(mlir::Operation *op);

/// Wraps ops of one block in a kernel that stands where the last of them stood.
void wrapInKernel(mlir::ArrayRef<mlir::Operation *> group);

/// Adds to `group` the product that makes `value` and the ops on slices of
/// columns between. Fails, with `group` as it was, if there is no product, or
/// if something else reads what lies between. A product is a heddle.linear, or
/// what `isProduct` says.
using IsProduct = llvm::function_ref<bool(mlir::Operation *)>;
mlir::LogicalResult addProduct(
    mlir::Value value, OpGroup &group,
    IsProduct isProduct = [](auto *op) { return llvm::isa<LinearOp>(op); });

/// Adds the conversion and the norm that make the rows which the group's
/// products read, if they read the same rows, nothing else does, and the
/// function computes one token: every thread computes the whole row then.
void addPrologue(OpGroup &group);

/// Wraps `group`, in block order, unless something outside of it stands between
/// and reads its results.
mlir::LogicalResult formKernel(const OpGroup &group);

} // namespace heddle

#endif // HEDDLE_PASSES_FUSION_KERNELS_H
