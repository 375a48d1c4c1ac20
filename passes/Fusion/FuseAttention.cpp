//===- FuseAttention.cpp - Attention and the form its reader takes --------===//
#include "Kernels.h"
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_FUSEATTENTION
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct FuseAttention : heddle::impl::FuseAttentionBase<FuseAttention> {
  void runOnOperation() override {
    for (AttentionOp attention :
         llvm::to_vector(getOperation().getOps<AttentionOp>())) {
      if (!attention.getResult().hasOneUse())
        continue;
      auto convert =
          dyn_cast<ConvertRowsOp>(*attention.getResult().getUsers().begin());
      CacheType cache = attention.getCache().getType();
      int64_t width = attention.getHeads() / cache.getHeads() * cache.getDim();
      if (!convert ||
          width % encodingOf<RowsAttr>(convert.getType()).getGroup())
        continue;
      OpGroup group;
      group.insert(attention);
      group.insert(convert);
      (void)formKernel(group);
    }
  }
};
} // namespace
