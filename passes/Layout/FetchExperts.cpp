//===- FetchExperts.cpp - Chosen experts are there before products --------===//
#include "heddle/codegen/Common/EmitMatmul.h"
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_FETCHEXPERTS
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct FetchExperts : heddle::impl::FetchExpertsBase<FetchExperts> {
  void runOnOperation() override {
    getOperation().walk([](KernelOp kernel) {
      // Products of one kernel go by one list of ids or offsets.
      Operation *first = nullptr;
      SmallVector<Value> weights;
      for (Operation &op : kernel.getBody().front()) {
        if (isa<FetchOp>(op))
          return;
        codegen::Product product = codegen::productOf(&op);
        auto packed =
            product ? encodingOf<PackedAttr>(product.weight) : PackedAttr();
        if (!packed || !packed.getTable())
          continue;
        first = first ? first : &op;
        if (op.getOperand(2) == first->getOperand(2) &&
            !llvm::is_contained(weights, product.weight))
          weights.push_back(product.weight);
      }
      if (!first)
        return;
      OpBuilder b(first);
      FetchOp::create(b, first->getLoc(), first->getOperand(2), weights);
    });
  }
};
} // namespace
