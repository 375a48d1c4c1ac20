//===- SetSchedules.cpp - An emitter and its numbers per kernel -----------===//
#include "heddle/codegen/Common/Dot.h"
#include "heddle/codegen/Common/EmitMatmul.h"
#include "heddle/passes/Passes.h"
#include "llvm/ADT/StringSet.h"

namespace heddle {
#define GEN_PASS_DEF_SETSCHEDULES
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
constexpr int64_t kHeadTile = 4;

struct SetSchedules : heddle::impl::SetSchedulesBase<SetSchedules> {
  using SetSchedulesBase::SetSchedulesBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    int64_t lanes = codegen::lanesOf(module),
            registers = codegen::registersOf(module);
    bool laneCount = lanes >= 1 && lanes <= 64 && (lanes & (lanes - 1)) == 0;
    if (!laneCount || registers < 8 || registers > 64 || tokenTile < 0 ||
        tokenTile > 64 || chunkTile < 0 || chunkTile > 64 || tokenBlock < 1 ||
        tokenBlock > 256 || itemBytes < 1 || segment < 1 || queryTile < 1 ||
        queryTile > 64 || headTile < 0 || headTile > 64 || prefetch < -1 ||
        prefetch > 65536 || prefetchFrom < 0 || prefetchFrom > 64) {
      module.emitError("lanes = ")
          << lanes << ", registers = " << registers
          << ", token-tile = " << tokenTile.getValue()
          << ", chunk-tile = " << chunkTile.getValue()
          << ", token-block = " << tokenBlock.getValue()
          << ", item-bytes = " << itemBytes.getValue()
          << ", segment = " << segment.getValue()
          << ", query-tile = " << queryTile.getValue()
          << ", head-tile = " << headTile.getValue()
          << ", prefetch = " << prefetch.getValue()
          << ", prefetch-from = " << prefetchFrom.getValue()
          << ", limit a power of two of 1 to 64, 8 to 64, 0 to 64, 0 to 64, 1 "
             "to "
             "256, "
             "at least 1, at least 1, 1 to 64, 0 to 64, -1 to 65536, "
             "0 to 64";
      return signalPassFailure();
    }
    Builder b(&getContext());
    auto known = module->getAttrOfType<StringAttr>("heddle.cpu");
    StringRef processor = !cpu.empty() ? StringRef(cpu)
                          : known      ? known.getValue()
                                       : StringRef();
    llvm::StringSet<> unused;
    for (const std::string &name : generic)
      unused.insert(name);
    module.walk([&](KernelOp kernel) {
      int64_t lanes = codegen::lanesOf(kernel),
              registers = codegen::registersOf(kernel);
      const codegen::Level *level = codegen::levelOf(kernel);
      const codegen::IntegerDot *dot =
          level ? codegen::integerDotOf(*level) : nullptr;
      const codegen::FloatDot *floatDot =
          level ? codegen::floatDotOf(*level) : nullptr;
      // The last op decides: a generic kernel's first may be constants.
      Block &body = kernel.getBody().front();
      Operation &op = body.without_terminator().empty()
                          ? body.front()
                          : *std::prev(body.getTerminator()->getIterator());
      SmallVector<NamedAttribute> options = {
          b.getNamedAttr("lanes", b.getI64IntegerAttr(lanes))};
      auto set = [&](StringRef name, int64_t value) {
        options.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(value)));
      };
      SmallVector<Attribute> forced;
      bool product = false;
      for (Operation &inner : body)
        if (StringRef name = inner.getName().stripDialect();
            isa<LinalgLoweringInterface>(inner) &&
            llvm::is_contained(generic, name)) {
          unused.erase(name);
          product |= isa<LinearOp>(inner);
          if (Attribute full = b.getStringAttr(inner.getName().getStringRef());
              !llvm::is_contained(forced, full))
            forced.push_back(full);
        }
      auto finish = [&](StringRef emitter) {
        // In a generic kernel every op leaves its emitter.
        if (!forced.empty() && emitter != "generic")
          options.push_back(b.getNamedAttr("generic", b.getArrayAttr(forced)));
        kernel.setScheduleAttr(ScheduleAttr::get(&getContext(), emitter,
                                                 b.getDictionaryAttr(options)));
      };
      if (auto attention = dyn_cast<AttentionOp>(body.front())) {
        set("segment", segment);
        // Tokens whose queries meet the same keys while they are near.
        int64_t shared =
            std::max<int64_t>(1, attention.getHeads() /
                                     attention.getCache().getType().getHeads());
        set("token_tile", std::max<int64_t>(1, queryTile / shared));
        // Heads that threads take apart, where all are on one key, as latent
        // attention has them.
        int64_t heads = headTile ? headTile.getValue() : kHeadTile;
        while (shared % heads)
          --heads;
        if (attention.getCache().getType().getHeads() == 1 && heads < shared)
          set("head_tile", heads);
        // Sums of queries and of outputs; the rest holds what enters them.
        set("sums", registers * 3 / 4);
        return finish("attention");
      }
      if (isa<PlanOp>(op))
        return finish("plan");
      // What has no product runs row by row, or has no emitter.
      SmallVector<std::pair<Value, RowsAttr>> products; // weights, what enters
      StringRef emitter = "matmul";
      for (Operation &inner : body)
        if (codegen::Product found = codegen::productOf(&inner)) {
          products.push_back({found.weight, encodingOf<RowsAttr>(found.x)});
          if (!isa<LinearOp>(inner))
            emitter = "experts";
        } else if (auto expand = dyn_cast<ExpandLatentOp>(inner)) {
          products.push_back({expand.getWeight(), expand.getRowsAttr()});
          emitter = "expand";
        }
      if (products.empty() || product) {
        bool rows =
            isRowWise(&op) || isa<SelectRowsOp, DispatchOp, CombineOp>(op);
        return finish(rows && !product ? "rows" : "generic");
      }
      int64_t most = 0, vectors = 1, panels = INT64_MAX;
      bool codes = false, planes = false, pairs = false, pairCodes = false;
      for (auto [weight, rows] : products) {
        auto type = cast<RankedTensorType>(weight.getType());
        auto packed = encodingOf<PackedAttr>(type);
        codes |= rows && rows.isCodes();
        pairs |= rows && !rows.isCodes();
        if (!packed)
          continue;
        pairCodes |= rows && !rows.isCodes() && packed.getEnc().getScale();
        planes |= codes && packed.getEnc().getHighBits();
        vectors = std::max(vectors, packed.getRows() /
                                        (codes && dot ? dot->lanes : lanes));
        llvm::ArrayRef<int64_t> matrix = type.getShape().take_back(2);
        most = std::max(most, packed.getBytes(packed.getRows(), matrix[1]));
        // No fewer than 16 items, where there are as many panels.
        panels = std::min(
            panels, std::max<int64_t>(1, packed.getPanels(matrix[0]) / 16));
      }
      // f32 sums take the registers that weights and activations do not need.
      // Integer products have a sum in a register for two vectors of rows and
      // each token of the tile, and as many registers again for what meets
      // there and in between (docs/performance.md). Where codes have bits in a
      // plane, a group's weights of one vector of rows take half of the
      // registers, and its sums are touched once a group.
      // Codes as bf16 have two sums for each vector of rows and token, the
      // group's and the row's.
      int64_t tile = planes      ? registers * 3 / 8
                     : codes     ? registers / 4
                     : pairCodes ? registers * 3 / 8
                                 : (registers - 4) / vectors;
      set("token_tile",
          tokenTile ? tokenTile.getValue() : std::max<int64_t>(1, tile));
      set("token_block", tokenBlock);
      if (int64_t chunks = chunkTile   ? chunkTile.getValue()
                           : planes    ? 0
                           : codes     ? 2
                           : pairCodes ? 1
                                       : 0)
        set("chunk_tile", chunks);
      codegen::Tuning tuning =
          level ? level->tuningFor(processor) : codegen::Tuning{"", 0, 1};
      if (int64_t ahead = prefetch >= 0 ? prefetch.getValue() : tuning.prefetch)
        set("prefetch", ahead);
      if (int64_t from =
              prefetchFrom ? prefetchFrom.getValue() : tuning.prefetchFrom;
          from != 1)
        set("prefetch_from", from);
      set("panels",
          std::min(panels, std::max<int64_t>(1, most ? itemBytes / most : 1)));
      if (codes && dot)
        options.push_back(b.getNamedAttr("dot", b.getStringAttr(dot->name)));
      if (pairs && floatDot)
        options.push_back(
            b.getNamedAttr("float_dot", b.getStringAttr(floatDot->name)));
      finish(emitter);
    });
    // In the order given, so that the message is the same every time.
    for (const std::string &name : generic)
      if (unused.contains(name)) {
        module.emitError("generic = ")
            << name << ": no kernel has such an op with a lowering to linalg";
        return signalPassFailure();
      }
  }
};
} // namespace
