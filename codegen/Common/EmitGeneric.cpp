//===- EmitGeneric.cpp - Kernels of ops without an emitter ----------------===//
//
// One item: the whole kernel on whole tensors, on one thread. Correct for any
// op that lowers to linalg; an emitter is what makes it fast and parallel.
//
//===----------------------------------------------------------------------===//
#include "heddle/codegen/Common/Generic.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;
using Values = KernelBuilder::Values;

Value codegen::rowOf(KernelBuilder &b, Value buffer, Value row) {
  SmallVector<OpFoldResult> offsets = {row}, sizes = {b.getIndexAttr(1)};
  for (int64_t size :
       cast<MemRefType>(buffer.getType()).getShape().drop_front()) {
    offsets.push_back(b.getIndexAttr(0));
    sizes.push_back(b.getIndexAttr(size));
  }
  return memref::SubViewOp::create(
      b, buffer, offsets, sizes,
      SmallVector<OpFoldResult>(sizes.size(), b.getIndexAttr(1)));
}

Value codegen::columnsOf(KernelBuilder &b, Value buffer, Value row, Value first,
                         int64_t width) {
  if (isConstantIntValue(first, 0) &&
      cast<MemRefType>(buffer.getType()).getDimSize(1) == width)
    return rowOf(b, buffer, row);
  SmallVector<OpFoldResult> offsets = {row, first},
                            sizes = {b.getIndexAttr(1), b.getIndexAttr(width)},
                            strides = {b.getIndexAttr(1), b.getIndexAttr(1)};
  return memref::SubViewOp::create(b, buffer, offsets, sizes, strides);
}

/// Packed with panels of one row, plain f32 lie as they would unpacked.
static bool isRowMajor(PackedAttr packed) {
  return packed && packed.getRows() == 1 && packed.getEnc().getElem() == "f32";
}

FailureOr<Value> codegen::asTensor(KernelBuilder &b, Operation *op,
                                   unsigned index, Value buffer) {
  Type type = op->getOperand(index).getType();
  auto refuse = [&](const Twine &what, auto value) -> FailureOr<Value> {
    return op->emitError("unsupported: no emitter for ")
           << op->getName() << ", and its operand " << index << " has " << what
           << " " << value;
  };
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return type.isIntOrIndexOrFloat() ? FailureOr<Value>(buffer)
                                      : refuse("type", type);
  if (Attribute encoding = tensor.getEncoding()) {
    if (!isRowMajor(dyn_cast<PackedAttr>(encoding)))
      return refuse("encoding", encoding);
    auto bytes = cast<MemRefType>(buffer.getType());
    buffer = memref::CollapseShapeOp::create(
        b, buffer, SmallVector<ReassociationIndices>{{0, 1, 2}});
    buffer = memref::ViewOp::create(
        b,
        MemRefType::get({bytes.getDimSize(0), tensor.getDimSize(1)},
                        tensor.getElementType()),
        buffer, b.index(0), ValueRange());
  }
  auto memref = cast<MemRefType>(buffer.getType());
  auto plain =
      RankedTensorType::get(memref.getShape(), memref.getElementType());
  return bufferization::ToTensorOp::create(b, plain, buffer, /*restrict=*/true)
      .getResult();
}

/// The ids of a router, none below 0 or above `most`: they become addresses.
static Value clampIds(KernelBuilder &b, Value ids, int64_t most) {
  auto type = cast<RankedTensorType>(ids.getType());
  Value empty = tensor::EmptyOp::create(
      b, tensor::getMixedSizes(b, b.getLoc(), ids), type.getElementType());
  AffineMap each = b.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> loops(type.getRank(),
                                         utils::IteratorType::parallel);
  Value zero = b.i32(0), last = b.i32(most);
  return linalg::GenericOp::create(
             b, b.getLoc(), type, ids, empty, ArrayRef{each, each}, loops,
             [&](OpBuilder &inner, Location loc, ValueRange args) {
               Value id = arith::MaxSIOp::create(inner, loc, args[0], zero);
               id = arith::MinSIOp::create(inner, loc, id, last);
               linalg::YieldOp::create(inner, loc, id);
             })
      .getResult(0);
}

FailureOr<Values> codegen::lowerToTensors(KernelBuilder &b, Operation *op,
                                          IRMapping &values,
                                          ValueRange operands) {
  FailureOr<Values> results;
  if (auto lowering = dyn_cast<LinalgLoweringInterface>(op)) {
    results = lowering.lowerToLinalg(b, operands);
    if (failed(results))
      return failure();
  } else if (isa_and_nonnull<arith::ArithDialect, math::MathDialect,
                             tensor::TensorDialect, linalg::LinalgDialect>(
                 op->getDialect())) {
    for (auto [operand, value] : llvm::zip(op->getOperands(), operands))
      values.map(operand, value);
    Operation *clone = b.clone(*op, values);
    // Elementwise ops follow their operands: a row, or all of them.
    if (OpTrait::hasElementwiseMappableTraits(op))
      for (Value result : clone->getResults())
        for (Value operand : operands)
          if (auto shape = dyn_cast<RankedTensorType>(operand.getType()))
            result.setType(shape.clone(getElementTypeOrSelf(result.getType())));
    results = Values(clone->getResults());
  } else {
    return op->emitError("unsupported: no emitter for ")
           << op->getName() << ", and no lowering to linalg";
  }
  if (results->size() != op->getNumResults())
    return op->emitError("lowers to ")
           << results->size() << " results, needs " << op->getNumResults();
  if (auto router = dyn_cast<RouterOpInterface>(op)) {
    Value &ids = (*results)[cast<OpResult>(router.getIds()).getResultNumber()];
    auto type = dyn_cast<RankedTensorType>(ids.getType());
    if (!type || !type.getElementType().isSignlessInteger(32))
      return op->emitError("lowers to ids that are ") << ids.getType();
    auto logits = cast<RankedTensorType>(router.getLogits().getType());
    ids = clampIds(b, ids, logits.getDimSize(1) - 1);
  }
  return results;
}

LogicalResult codegen::writeTensor(KernelBuilder &b, Operation *op,
                                   Value tensor, Value buffer) {
  auto memref = cast<MemRefType>(buffer.getType());
  auto want = RankedTensorType::get(memref.getShape(), memref.getElementType());
  if (tensor.getType() != want)
    return op->emitError("lowers to ")
           << tensor.getType() << ", needs " << want;
  bufferization::MaterializeInDestinationOp::create(
      b, Type(), tensor, buffer, /*restrict=*/true, /*writable=*/true);
  return success();
}

LogicalResult codegen::emitGeneric(KernelBuilder &b, KernelOp kernel,
                                   ItemLoop items, ValueRange args) {
  Block &body = kernel.getBody().front();
  IRMapping buffers;
  size_t next = 0;
  for (BlockArgument arg : body.getArguments()) {
    buffers.map(arg, args[next]);
    next += bufferTypes(arg.getType()).size();
  }
  Operation *yield = body.getTerminator();
  // The arena holds rows of a fixed size.
  auto isRows = [](RankedTensorType type) {
    return type && type.getRank() &&
           !ShapedType::isDynamicShape(type.getShape().drop_front());
  };
  for (Value result : yield->getOperands())
    if (!isRows(dyn_cast<RankedTensorType>(result.getType())))
      return kernel.emitError("unsupported: kernel \"")
             << kernel.getName() << "\" on the generic path results in "
             << result.getType();

  LogicalResult status = success();
  items([&](Value) {
    IRMapping values;
    for (Operation &op : body.without_terminator()) {
      Values operands;
      for (OpOperand &operand : op.getOpOperands()) {
        Value value = values.lookupOrNull(operand.get());
        if (!value) {
          FailureOr<Value> tensor = asTensor(b, &op, operand.getOperandNumber(),
                                             buffers.lookup(operand.get()));
          if (failed(tensor))
            return void(status = failure());
          value = *tensor;
        }
        operands.push_back(value);
      }
      FailureOr<Values> results = lowerToTensors(b, &op, values, operands);
      if (failed(results))
        return void(status = failure());
      values.map(op.getResults(), *results);
    }
    for (OpOperand &result : yield->getOpOperands()) {
      Operation *from =
          result.get().getDefiningOp() ? result.get().getDefiningOp() : yield;
      Value tensor = values.lookupOrNull(result.get());
      if (!tensor) {
        FailureOr<Value> input = asTensor(b, yield, result.getOperandNumber(),
                                          buffers.lookup(result.get()));
        if (failed(input))
          return void(status = failure());
        tensor = *input;
      }
      if (failed(writeTensor(b, from, tensor,
                             args[next + result.getOperandNumber()])))
        return void(status = failure());
    }
  });
  return status;
}
