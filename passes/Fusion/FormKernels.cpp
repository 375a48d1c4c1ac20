//===- FormKernels.cpp - Groups ops into kernels --------------------------===//
#include "Kernels.h"
#include "heddle/passes/Passes.h"
#include "llvm/ADT/DenseSet.h"

namespace heddle {
#define GEN_PASS_DEF_FORMKERNELS
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
bool isStructure(Operation *op) {
  // Scalars and constants are not activations.
  bool computes = llvm::any_of(op->getResultTypes(), [](Type type) {
    return isa<RankedTensorType, CacheType>(type);
  });
  if (!computes || op->hasTrait<OpTrait::ConstantLike>())
    return true;
  return op->hasTrait<OpTrait::IsTerminator>() ||
         isa<ParamOp, LayersOp, KernelOp, LaunchOp>(op);
}

struct FormKernels : heddle::impl::FormKernelsBase<FormKernels> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    for (Block &block : getOperation().getBody()) {
      SmallVector<SmallVector<Operation *>> groups;
      bool open = false;
      // Tokens, or the selected rows: kernels do not mix the two.
      llvm::DenseSet<Value> selected;
      bool groupSelected = false;
      for (Operation &op : block) {
        if (isStructure(&op)) {
          // A parameter computes nothing and may stand between two ops of a
          // kernel, and so may what a generic kernel computes by itself from
          // values outside it.
          bool own =
              open && isCheap(&op) && isPlain(groups.back().front()) &&
              llvm::none_of(op.getOperands(), [&](Value v) {
                return llvm::is_contained(groups.back(), v.getDefiningOp());
              });
          open = open && (own || isa<ParamOp>(op));
          continue;
        }
        bool onSelected = isa<SelectRowsOp>(op) ||
                          llvm::any_of(op.getOperands(), [&](Value v) {
                            return selected.contains(v);
                          });
        if (onSelected)
          selected.insert(op.result_begin(), op.result_end());
        open = open && groupSelected == onSelected &&
               isPlain(groups.back().front()) == isPlain(&op);
        groupSelected = onSelected;
        if (!isRowWise(&op) && !isPlain(&op)) {
          groups.push_back({&op});
          // A token's slots lie in any rows, their sum in its own.
          open = isa<CombineOp>(op);
        } else if (open) {
          groups.back().push_back(&op);
        } else {
          groups.push_back({&op});
          open = true;
        }
      }
      // Parameters first, so that a group's ops are consecutive.
      for (ParamOp param : llvm::make_early_inc_range(block.getOps<ParamOp>()))
        param->moveBefore(&block, block.begin());
      for (ArrayRef<Operation *> group : groups)
        wrapInKernel(group);
      for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
        if (isCheap(&op) && op.use_empty())
          op.erase();
    }
  }
};
} // namespace
