//===- FuseGatedMLP.cpp - gate, up and activation in one kernel
//------------===//
#include "Kernels.h"
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_FUSEGATEDMLP
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct FuseGatedMLP : heddle::impl::FuseGatedMLPBase<FuseGatedMLP> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    for (GLUOp glu : llvm::to_vector(getOperation().getOps<GLUOp>())) {
      // Of one gated unit, or of experts, whose products share their rows.
      Operation *gate = glu.getGate().getDefiningOp();
      auto isProduct = [&](Operation *op) {
        if (isa_and_nonnull<GroupedMatmulOp, RoutedMatmulOp>(gate))
          return op->getName() == gate->getName() &&
                 op->getOperand(0) == gate->getOperand(0) &&
                 op->getOperand(2) == gate->getOperand(2);
        return isa<LinearOp>(op);
      };
      OpGroup group;
      if (failed(addProduct(glu.getResult(), group, isProduct)) ||
          llvm::count_if(group, isProduct) != 2)
        continue;
      // Of one token, each thread computes the routing.
      if (auto routed = dyn_cast_or_null<RoutedMatmulOp>(gate))
        if (auto route = routed.getIds().getDefiningOp<RouterOpInterface>())
          group.insert(route);
      // The next product's form of the rows is made where they are.
      for (Operation *user : glu.getResult().getUsers())
        if (isa<ConvertRowsOp>(user) && glu.getResult().hasOneUse())
          group.insert(user);
      addPrologue(group);
      (void)formKernel(group);
    }
  }
};
} // namespace
