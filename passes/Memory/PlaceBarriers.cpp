//===- PlaceBarriers.cpp - Who must wait for other threads ----------------===//
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_PLACEBARRIERS
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct PlaceBarriers : heddle::impl::PlaceBarriersBase<PlaceBarriers> {
  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (func.isExternal() || !func->hasAttr("heddle.max_tokens"))
      return;
    // Written since the last barrier → whether item i wrote only row i.
    llvm::DenseMap<Value, bool> written;
    // A layer kind begins with a barrier of its caller.
    for (Operation &op : func.getBody().front()) {
      if (isa<LayersOp>(op)) {
        written.clear(); // every layer begins with a barrier
        for (Value result : op.getResults())
          written[result] = false;
        continue;
      }
      auto launch = dyn_cast<LaunchOp>(op);
      if (!launch)
        continue;
      bool wait = false;
      for (auto [input, aligned] :
           llvm::zip(launch.getInputs(), launch.getAlignedInputs()))
        if (auto it = written.find(input); it != written.end())
          wait |= !(it->second && aligned);
      if (wait) {
        launch->setAttr("heddle.barrier", UnitAttr::get(&getContext()));
        written.clear();
      }
      for (auto [result, aligned] :
           llvm::zip(launch.getResults(), launch.getAlignedResults()))
        written[result] = aligned;
    }
  }
};
} // namespace
