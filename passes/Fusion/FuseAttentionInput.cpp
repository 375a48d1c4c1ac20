//===- FuseAttentionInput.cpp - q, k and v up to the cache in one kernel
//---===//
#include "Kernels.h"
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_FUSEATTENTIONINPUT
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct FuseAttentionInput
    : heddle::impl::FuseAttentionInputBase<FuseAttentionInput> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    for (CacheAppendOp append :
         llvm::to_vector(getOperation().getOps<CacheAppendOp>())) {
      OpGroup group;
      if (failed(addProduct(append.getKey(), group)) ||
          failed(addProduct(append.getValue(), group)))
        continue;
      group.insert(append);
      // The query of the attention over this cache reads the same rows.
      Value rows = cast<LinearOp>(*llvm::find_if(group, [](Operation *op) {
                     return isa<LinearOp>(op);
                   })).getX();
      for (Operation *user : append.getResult().getUsers())
        if (auto attention = dyn_cast<AttentionOp>(user)) {
          OpGroup with = group;
          if (succeeded(addProduct(attention.getQuery(), with)) &&
              llvm::all_of(with, [&](Operation *op) {
                return !isa<LinearOp>(op) || cast<LinearOp>(op).getX() == rows;
              }))
            group = with;
        }
      addPrologue(group);
      (void)formKernel(group);
    }
  }
};
} // namespace
