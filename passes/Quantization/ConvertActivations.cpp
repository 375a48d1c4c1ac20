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
    auto mode = getOperation()->getAttrOfType<StringAttr>("heddle.numeric");
    if (!mode)
      return;
    auto step = codegen::dotStepOf(codegen::levelsOf(getOperation()));
    int64_t dotStep = step ? *step : 0;
    llvm::consumeError(step.takeError()); // SetNumericMode has reported it
    getOperation().walk([&](LinearOp linear) {
      auto type = cast<RankedTensorType>(linear.getX().getType());
      auto enc = encodingOf<EncAttr>(linear.getWeight());
      if (!enc || type.getEncoding())
        return;
      RowsAttr rows = codegen::activationRows(enc, type.getDimSize(1),
                                              mode.getValue(), dotStep);
      if (!rows)
        return;
      OpBuilder b(linear);
      auto converted =
          RankedTensorType::get(type.getShape(), type.getElementType(), rows);
      linear.getXMutable().assign(
          ConvertRowsOp::create(b, linear.getLoc(), converted, linear.getX()));
    });
  }
};
} // namespace
