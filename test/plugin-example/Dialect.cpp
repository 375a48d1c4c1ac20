//===- Dialect.cpp - The ops, their lowerings and their meaning -----------===//
#include "Parts.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include <algorithm>

using namespace mlir;
using namespace example;

#include "ExampleDialect.cpp.inc"
#define GET_OP_CLASSES
#include "ExampleOps.cpp.inc"

void ExampleDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "ExampleOps.cpp.inc"
      >();
}

/// `value` in every element of a tensor of the type of `like`.
static Value splat(OpBuilder &b, Location loc, Value like,
                   const APFloat &value) {
  auto type = cast<RankedTensorType>(like.getType());
  return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, value));
}

FailureOr<SmallVector<Value>> Relu2Op::lowerToLinalg(OpBuilder &b,
                                                     ValueRange operands) {
  Location loc = getLoc();
  Value zero = splat(b, loc, operands[0], APFloat(0.0f));
  Value positive = arith::MaximumFOp::create(b, loc, operands[0], zero);
  Value square = arith::MulFOp::create(b, loc, positive, positive);
  if (getFactor().isExactlyValue(1.0))
    return SmallVector<Value>{square};
  Value factor = splat(b, loc, operands[0], getFactor());
  return SmallVector<Value>{arith::MulFOp::create(b, loc, square, factor)};
}

FailureOr<SmallVector<Value>> ScaleOp::lowerToLinalg(OpBuilder &b,
                                                     ValueRange operands) {
  Value factor = splat(b, getLoc(), operands[0], getFactor());
  return SmallVector<Value>{
      arith::MulFOp::create(b, getLoc(), operands[0], factor)};
}

/// The meaning of an op that maps each element by `f(op, x)`.
template <typename OpT, typename F>
static heddle::reference::Semantics elementwise(F f) {
  using heddle::reference::Data;
  return [f](heddle::reference::Interpreter &, Operation *op,
             ArrayRef<Data> operands, SmallVectorImpl<Data> &results) {
    std::vector<double> out(*operands[0].floats);
    for (double &x : out)
      x = f(cast<OpT>(op), x);
    results.push_back(Data::ofFloats(operands[0].shape, std::move(out)));
    return llvm::Error::success();
  };
}

heddle::reference::Semantics example::relu2Semantics() {
  return elementwise<Relu2Op>([](Relu2Op op, double x) {
    double positive = std::max(x, 0.0);
    return op.getFactor().convertToFloat() * positive * positive;
  });
}

heddle::reference::Semantics example::scaleSemantics() {
  return elementwise<ScaleOp>(
      [](ScaleOp op, double x) { return op.getFactor().convertToFloat() * x; });
}
