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
      OpGroup group;
      if (failed(addProduct(glu.getResult(), group)) ||
          llvm::count_if(group,
                         [](Operation *op) { return isa<LinearOp>(op); }) != 2)
        continue;
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
