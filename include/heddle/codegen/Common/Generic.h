//===- Generic.h - Ops without an emitter, as linalg on tensors -*- C++ -*-===//
//
// What EmitRows and EmitGeneric share: an operand's buffer seen as a tensor, an
// op as linalg on such tensors, and the result written back.
// `heddle-lower-generic` makes loops of it. Each function says what it refuses.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_CODEGEN_COMMON_GENERIC_H
#define HEDDLE_CODEGEN_COMMON_GENERIC_H

#include "heddle/codegen/Common/KernelBuilder.h"

namespace heddle::codegen {

/// Row `row` of `buffer`, which may be any of its rows: `[1, …]`.
Value rowOf(KernelBuilder &b, Value buffer, Value row);
/// Columns [first, first + width) of that row of a matrix: `[1, width]`.
Value columnsOf(KernelBuilder &b, Value buffer, Value row, Value first,
                int64_t width);

/// Operand `index` of `op` in `buffer` as a tensor; a scalar as it is.
mlir::FailureOr<Value> asTensor(KernelBuilder &b, mlir::Operation *op,
                                unsigned index, Value buffer);

/// `op` on `operands`: its lowering, or itself where it is upstream's.
mlir::FailureOr<KernelBuilder::Values>
lowerToTensors(KernelBuilder &b, mlir::Operation *op, mlir::IRMapping &values,
               mlir::ValueRange operands);

/// Writes result `index` of `op` to `buffer`, all of it.
mlir::LogicalResult writeTensor(KernelBuilder &b, mlir::Operation *op,
                                Value tensor, Value buffer);

} // namespace heddle::codegen

#endif // HEDDLE_CODEGEN_COMMON_GENERIC_H
