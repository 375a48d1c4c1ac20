//===- FuseRouter.cpp - The norm before a router and its product ----------===//
#include "Kernels.h"
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_FUSEROUTER
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct FuseRouter : heddle::impl::FuseRouterBase<FuseRouter> {
  void runOnOperation() override {
    auto tokens =
        getOperation()->getAttrOfType<IntegerAttr>("heddle.max_tokens");
    if (getOperation().isExternal() || !tokens || tokens.getInt() != 1)
      return;
    for (auto route :
         llvm::to_vector(getOperation().getOps<RouterOpInterface>())) {
      auto linear = route.getLogits().getDefiningOp<LinearOp>();
      auto norm =
          linear ? linear.getX().getDefiningOp<RMSNormOp>() : RMSNormOp();
      if (!norm || norm->getBlock() != linear->getBlock())
        continue;
      OpGroup group;
      group.insert(norm);
      group.insert(linear);
      // The forms in which the experts take the rows are made with them.
      for (Operation *user : llvm::to_vector(norm->getUsers()))
        if (isa<ConvertRowsOp>(user) && user->getBlock() == norm->getBlock()) {
          user->moveAfter(norm);
          group.insert(user);
        }
      (void)formKernel(group);
    }
  }
};
} // namespace
