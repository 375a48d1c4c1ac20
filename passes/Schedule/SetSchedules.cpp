//===- SetSchedules.cpp - An emitter and its numbers per kernel -----------===//
#include "heddle/codegen/Common/Dot.h"
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
    bool laneCount = lanes >= 1 && lanes <= 64 && (lanes & (lanes - 1)) == 0;
    if (!laneCount || registers < 8 || registers > 64 || tokenTile < 0 || tokenTile > 64 || tokenBlock < 1 || tokenBlock > 256 ||
        itemBytes < 1 || segment < 1) {
      module.emitError("lanes = ") << lanes << ", registers = " << registers << ", token-tile = " << tokenTile.getValue()
                                   << ", token-block = " << tokenBlock.getValue() << ", item-bytes = " << itemBytes.getValue()
                                   << ", segment = " << segment.getValue()
                                   << ", limit a power of two of 1 to 64, 8 to 64, 0 to 64, 1 to 256, at least 1, at least 1";
      return signalPassFailure();
    }
    auto target = module->getAttrOfType<StringAttr>("heddle.target");
    const codegen::Level *level = target ? codegen::findLevel(target) : nullptr;
    const codegen::IntegerDot *dot = level ? codegen::integerDotOf(*level) : nullptr;
    Builder b(&getContext());
    module.walk([&](KernelOp kernel) {
      SmallVector<NamedAttribute> options = {b.getNamedAttr("lanes", b.getI64IntegerAttr(lanes))};
      auto set = [&](StringRef name, int64_t value) { options.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(value))); };
      auto linears = kernel.getBody().front().getOps<LinearOp>();
      if (linears.empty()) {
        // An op that reads whole activations stands alone and has an emitter of its name;
        // what is left is row-wise.
        Operation &op = kernel.getBody().front().front();
        StringRef emitter = isa<AttentionOp>(op) ? op.getName().stripDialect() : "rows";
        if (isa<AttentionOp>(op))
          set("segment", segment);
        kernel.setScheduleAttr(ScheduleAttr::get(&getContext(), emitter, b.getDictionaryAttr(options)));
        return;
      }
      int64_t most = 0, vectors = 1, panels = INT64_MAX;
      bool codes = false;
      for (LinearOp linear : linears) {
        auto type = cast<RankedTensorType>(linear.getWeight().getType());
        auto packed = dyn_cast_or_null<PackedAttr>(type.getEncoding());
        auto rows = dyn_cast_or_null<RowsAttr>(cast<RankedTensorType>(linear.getX().getType()).getEncoding());
        codes |= rows && rows.getElem() == "i8";
        if (!packed)
          continue;
        vectors = std::max(vectors, packed.getRows() / (codes && dot ? dot->lanes : lanes));
        most = std::max(most, packed.getBytes(packed.getRows(), type.getDimSize(1)));
        // No fewer than 16 items, where there are as many panels.
        panels = std::min(panels, std::max<int64_t>(1, packed.getPanels(type.getDimSize(0)) / 16));
      }
      // Sums take the registers that weights, activations and unpacking do not need: with
      // integer codes the sums of a group lie in registers, those over groups need not.
      int64_t free = registers - (codes ? vectors + 3 : 6);
      set("token_tile", tokenTile ? tokenTile.getValue() : std::max<int64_t>(1, free / vectors));
      set("token_block", tokenBlock);
      set("panels", std::min(panels, std::max<int64_t>(1, most ? itemBytes / most : 1)));
      if (codes && dot)
        options.push_back(b.getNamedAttr("dot", b.getStringAttr(dot->name)));
      kernel.setScheduleAttr(ScheduleAttr::get(&getContext(), "matmul", b.getDictionaryAttr(options)));
    });
  }
};
} // namespace
