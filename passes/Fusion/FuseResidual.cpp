//===- FuseResidual.cpp - a product and the residual in one kernel
//---------===//
#include "Kernels.h"
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_FUSERESIDUAL
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct FuseResidual : heddle::impl::FuseResidualBase<FuseResidual> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    for (arith::AddFOp add :
         llvm::to_vector(getOperation().getOps<arith::AddFOp>())) {
      OpGroup group;
      if (!isa<RankedTensorType>(add.getType()) ||
          failed(addProduct(add.getResult(), group)))
        continue;
      (void)formKernel(group);
    }
  }
};
} // namespace
