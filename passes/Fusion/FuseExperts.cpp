//===- FuseExperts.cpp - down, the sum of slots and the residual ----------===//
#include "Kernels.h"
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_FUSEEXPERTS
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct FuseExperts : heddle::impl::FuseExpertsBase<FuseExperts> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    for (CombineOp combine :
         llvm::to_vector(getOperation().getOps<CombineOp>())) {
      auto down = combine.getYs().getDefiningOp<RoutedMatmulOp>();
      if (combine.getPosition() || !down || !down.getResult().hasOneUse())
        continue;
      OpGroup group;
      group.insert(down);
      group.insert(combine);
      if (combine.getResult().hasOneUse()) {
        OpGroup with = group;
        Operation *user = *combine.getResult().getUsers().begin();
        with.insert(user);
        if (isa<arith::AddFOp>(user) && succeeded(formKernel(with)))
          continue;
      }
      (void)formKernel(group);
    }
  }
};
} // namespace
