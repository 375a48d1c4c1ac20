//===- ConvertActivations.cpp - The conversions of the numeric mode -------===//
#include "heddle/codegen/Common/Dot.h"
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_CONVERTACTIVATIONS
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct ConvertActivations
    : heddle::impl::ConvertActivationsBase<ConvertActivations> {
  void runOnOperation() override {
    auto rowsOf = [&](Value weight) {
      return codegen::activationRows(getOperation(), weight);
    };
    auto convert = [&](Operation *op, OpOperand &x, RowsAttr rows) {
      auto type = cast<RankedTensorType>(x.get().getType());
      if (!rows || type.getEncoding())
        return;
      OpBuilder b(op);
      auto converted =
          RankedTensorType::get(type.getShape(), type.getElementType(), rows);
      x.set(ConvertRowsOp::create(b, op->getLoc(), converted, x.get()));
    };
    getOperation().walk([&](LinearOp linear) {
      convert(linear, linear.getXMutable(), rowsOf(linear.getWeight()));
    });
    // Both of what x meets take the same form, or neither has one.
    getOperation().walk([&](ExpertsOp experts) {
      if (RowsAttr rows = rowsOf(experts.getGate());
          rows == rowsOf(experts.getUp()))
        convert(experts, experts.getXMutable(), rows);
      if (RowsAttr rows = rowsOf(experts.getDown());
          rows && !experts.getHidden())
        experts.setHiddenAttr(rows);
    });
  }
};
} // namespace
