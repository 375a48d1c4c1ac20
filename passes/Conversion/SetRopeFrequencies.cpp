//===- SetRopeFrequencies.cpp - Rotary frequencies of the context ---------===//
#include "heddle/dialects/Heddle/Heddle.h"
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_SETROPEFREQUENCIES
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct SetRopeFrequencies
    : heddle::impl::SetRopeFrequenciesBase<SetRopeFrequencies> {
  void runOnOperation() override {
    auto context = getOperation()->getAttrOfType<IntegerAttr>("heddle.context");
    getOperation().walk([&](RopeAnglesOp op) {
      if (!op.getBeyond())
        return;
      if (context && context.getInt() > int64_t(*op.getOriginal()))
        op.setFrequencies(op.getBeyond());
      op.removeBeyondAttr();
      op.removeOriginalAttr();
    });
  }
};
} // namespace
