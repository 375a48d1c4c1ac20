//===- Heddle.h - The graph dialect -----------------------------*- C++ -*-===//
#ifndef HEDDLE_DIALECTS_HEDDLE_HEDDLE_H
#define HEDDLE_DIALECTS_HEDDLE_HEDDLE_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace heddle {
/// Marks ops that act on each token by itself; see Heddle_RowWise.
template <typename ConcreteOp>
class RowWise : public mlir::OpTrait::TraitBase<ConcreteOp, RowWise> {};

/// Whether an op acts on each token by itself: ours that say so, upstream's
/// elementwise ones.
inline bool isRowWise(mlir::Operation *op) {
  return op->hasTrait<RowWise>() ||
         mlir::OpTrait::hasElementwiseMappableTraits(op);
}

/// The encoding of a tensor type if it is an `EncodingT` (#heddle.enc, packed
/// or rows), else null.
template <typename EncodingT> EncodingT encodingOf(mlir::Type type) {
  auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(type);
  return tensor ? llvm::dyn_cast_or_null<EncodingT>(tensor.getEncoding())
                : EncodingT();
}
template <typename EncodingT> EncodingT encodingOf(mlir::Value value) {
  return encodingOf<EncodingT>(value.getType());
}

/// The constraints of RouterOpInterface.
mlir::LogicalResult verifyRouter(mlir::Operation *op);

/// Whether a 2D tensor type is an activation's: a static width, no encoding.
bool isActivation(mlir::ShapedType type, bool orRows = false);
} // namespace heddle

#include "heddle/dialects/Heddle/HeddleDialect.h.inc"
#include "heddle/dialects/Heddle/HeddleEnums.h.inc"
#include "heddle/dialects/Heddle/HeddleInterfaces.h.inc"
#define GET_ATTRDEF_CLASSES
#include "heddle/dialects/Heddle/HeddleAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "heddle/dialects/Heddle/HeddleTypes.h.inc"
#define GET_OP_CLASSES
#include "heddle/dialects/Heddle/HeddleOps.h.inc"

namespace heddle {
/// The buffers that hold a value of this type in kernels and steps, contiguous
/// and row major: `[rows, …]` for an activation, `[panels, groups, group
/// bytes]` of i8 for a packed parameter (of rank 3: the panels of all
/// matrices, or with a table `heddle_experts` as i64), keys `[layer, head,
/// block, dim, key]` and values `[layer, head, position, dim]` for a cache; any
/// other type is passed as it is.
llvm::SmallVector<mlir::Type> bufferTypes(mlir::Type type);

/// That of `panels` panels of a packed matrix with rows of k.
mlir::MemRefType matrixBuffer(PackedAttr packed, int64_t panels, int64_t k);

/// Words of `heddle_experts` before the addresses.
constexpr int64_t kTableHeader = 2;
} // namespace heddle

#endif // HEDDLE_DIALECTS_HEDDLE_HEDDLE_H
