//===- CustomRoute.cpp - A routing that a region says ---------------------===//
//
// Comments (Cn) cite the numbered constraints of heddle.custom_route.
//
//===----------------------------------------------------------------------===//
#include "heddle/dialects/Heddle/Heddle.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace heddle;

/// Whether an op may stand in a routing, or in a loop of one.
static bool mayRoute(Operation &op, bool inLoop) {
  if (isa<arith::ArithDialect, math::MathDialect>(op.getDialect()))
    return true;
  if (inLoop)
    return isa<linalg::IndexOp, linalg::YieldOp>(op);
  return isa<linalg::LinalgOp, linalg::SoftmaxOp, tensor::EmptyOp,
             tensor::SplatOp, tensor::ExtractSliceOp, tensor::InsertSliceOp,
             tensor::ExpandShapeOp, tensor::CollapseShapeOp, YieldOp>(op);
}

static bool isStatic(Type type) {
  auto shaped = dyn_cast<ShapedType>(type);
  return !shaped || shaped.hasStaticShape();
}

static LogicalResult verifyBody(Block &block, bool inLoop) {
  for (Operation &op : block) {
    if (!mayRoute(op, inLoop)) // C3
      return op.emitOpError("(C3) is no part of a routing");
    // Offsets that are values.
    bool moves = isa<tensor::TensorDialect>(op.getDialect()) &&
                 llvm::any_of(op.getOperandTypes(),
                              [](Type type) { return type.isIndex(); });
    if (moves || !llvm::all_of(op.getOperandTypes(), isStatic) ||
        !llvm::all_of(op.getResultTypes(), isStatic)) // C4
      return op.emitOpError("(C4) of a routing must be static");
    APInt by;
    if (isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp,
            arith::CeilDivSIOp, arith::CeilDivUIOp, arith::FloorDivSIOp>(op) &&
        !(matchPattern(op.getOperand(1), m_ConstantInt(&by)) &&
          by.isStrictlyPositive())) // C5
      return op.emitOpError("(C5) of a routing must divide by a positive "
                            "constant");
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        if (failed(verifyBody(inner, /*inLoop=*/true)))
          return failure();
  }
  return success();
}

LogicalResult CustomRouteOp::verify() {
  Builder b(getContext());
  int64_t experts = getLogits().getType().getDimSize(1),
          k = getIds().getType().getDimSize(1);
  if (getSelectBias() &&
      getSelectBias().getType().getDimSize(0) != experts) // C1
    return emitOpError("(C1) select_bias has ")
           << getSelectBias().getType().getDimSize(0) << " elements, needs "
           << experts;
  SmallVector<Type> in = {RankedTensorType::get({1, experts}, b.getF32Type())},
                    out = {RankedTensorType::get({1, k}, b.getI32Type()),
                           RankedTensorType::get({1, k}, b.getF32Type())};
  if (getSelectBias())
    in.push_back(RankedTensorType::get({experts}, b.getF32Type()));
  Block &block = getBody().front();
  if (block.getArgumentTypes() != TypeRange(in)) // C2
    return emitOpError("(C2) the region takes (")
           << block.getArgumentTypes() << "), needs (" << in << ")";
  auto yield = dyn_cast<YieldOp>(block.back());
  if (!yield || yield.getOperandTypes() != TypeRange(out)) // C2
    return (emitOpError("(C2) the region yields (")
            << block.back().getOperandTypes())
           << "), needs (" << out << ")";
  return verifyBody(block, /*inLoop=*/false);
}

FailureOr<SmallVector<Value>>
CustomRouteOp::lowerToLinalg(OpBuilder &b, ValueRange operands) {
  Block &block = getBody().front();
  if (operands.getTypes() != TypeRange(block.getArgumentTypes()))
    return emitOpError("unsupported: on ")
           << operands.getTypes() << ", which is no row of a token";
  IRMapping values;
  values.map(block.getArguments(), operands);
  for (Operation &op : block.without_terminator())
    b.clone(op, values);
  SmallVector<Value> results;
  for (Value made : block.getTerminator()->getOperands())
    results.push_back(values.lookupOrDefault(made));
  return results;
}
