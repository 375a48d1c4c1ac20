//===- FuseHead.cpp - The last norm and the head in one kernel
//-------------===//
#include "Kernels.h"
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_FUSEHEAD
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct FuseHead : heddle::impl::FuseHeadBase<FuseHead> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    Operation *end = getOperation().getBody().front().getTerminator();
    for (Value value : end->getOperands())
      if (auto linear = value.getDefiningOp<LinearOp>()) {
        OpGroup group;
        group.insert(linear);
        addPrologue(group);
        (void)formKernel(group);
      }
  }
};
} // namespace
