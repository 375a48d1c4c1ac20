//===- ConvertActivations.cpp - The conversions of the numeric mode -------===//
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_CONVERTACTIVATIONS
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
constexpr int64_t kGroup = 32;

struct ConvertActivations
    : heddle::impl::ConvertActivationsBase<ConvertActivations> {
  void runOnOperation() override {
    auto mode = getOperation()->getAttrOfType<StringAttr>("heddle.numeric");
    if (!mode || mode != "a8")
      return;
    auto rows = RowsAttr::get(&getContext(), "i8", kGroup);
    getOperation().walk([&](LinearOp linear) {
      auto type = cast<RankedTensorType>(linear.getX().getType());
      auto enc = encodingOf<EncAttr>(linear.getWeight());
      // A sum is kept of each half of a group of activations.
      bool fits = enc && enc.getElemBits() < 16 &&
                  (enc.getGroup() == kGroup || enc.getGroup() == kGroup / 2);
      if (!fits || type.getEncoding() || type.getDimSize(1) % kGroup)
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
