//===- FoldScale.cpp - a scale and the squared ReLU before it in one op ---===//
#include "Parts.h"

namespace example {
#define GEN_PASS_DEF_FOLDSCALE
#include "Passes.h.inc"
} // namespace example

using namespace mlir;
using namespace example;

namespace {
struct FoldScale : example::impl::FoldScaleBase<FoldScale> {
  using FoldScaleBase::FoldScaleBase;
  void runOnOperation() override {
    int64_t left = most;
    getOperation().walk([&](ScaleOp scale) {
      auto relu = scale.getX().getDefiningOp<Relu2Op>();
      if (!relu || !relu->hasOneUse() ||
          !relu.getFactor().isExactlyValue(1.0) || left == 0)
        return;
      relu.setFactor(scale.getFactor());
      scale.replaceAllUsesWith(relu.getResult());
      scale.erase();
      ++folded;
      --left;
    });
  }
};
} // namespace
