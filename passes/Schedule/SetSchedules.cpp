//===- SetSchedules.cpp - An emitter and its numbers per kernel -----------===//
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_SETSCHEDULES
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct SetSchedules : heddle::impl::SetSchedulesBase<SetSchedules> {
  using SetSchedulesBase::SetSchedulesBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto number = [&](StringRef name, int64_t fallback) {
      auto attr = module->getAttrOfType<IntegerAttr>(name);
      return attr ? attr.getInt() : fallback;
    };
    int64_t lanes = number("heddle.lanes", 4), registers = number("heddle.registers", 16);
    if (lanes < 1 || registers < 8 || tokenTile < 0 || tokenTile > 64) {
      module.emitError("lanes = ") << lanes << ", registers = " << registers << ", token-tile = " << tokenTile.getValue()
                                   << ", limit at least 1, at least 8, 0 to 64";
      return signalPassFailure();
    }
    Builder b(&getContext());
    module.walk([&](KernelOp kernel) {
      Operation &op = kernel.getBody().front().front();
      SmallVector<NamedAttribute> options = {b.getNamedAttr("lanes", b.getI64IntegerAttr(lanes))};
      // An op that reads whole activations stands alone and has an emitter of its
      // name; what is left is row-wise.
      StringRef emitter = isa<LinearOp, AttentionOp>(op) ? op.getName().stripDialect() : "rows";
      if (auto linear = dyn_cast<LinearOp>(op)) {
        auto packed = dyn_cast_or_null<PackedAttr>(cast<RankedTensorType>(linear.getWeight().getType()).getEncoding());
        int64_t rows = packed ? packed.getRows() : lanes;
        // Accumulators take the registers that one weight, one activation and the
        // unpacking do not need.
        int64_t tile = tokenTile ? tokenTile : std::max<int64_t>(1, (registers - 6) / std::max<int64_t>(1, rows / lanes));
        options.push_back(b.getNamedAttr("token_tile", b.getI64IntegerAttr(tile)));
      }
      kernel.setScheduleAttr(ScheduleAttr::get(&getContext(), emitter, b.getDictionaryAttr(options)));
    });
  }
};
} // namespace
