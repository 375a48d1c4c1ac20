//===- RecordKernels.cpp - What each kernel is made of --------------------===//
#include "heddle/codegen/Common/EmitMatmul.h"
#include "heddle/codegen/Common/Probe.h"
#include "heddle/codegen/Common/RowOps.h"
#include "heddle/codegen/Common/Target.h"
#include "heddle/passes/Passes.h"
#include "llvm/ADT/MapVector.h"

namespace heddle {
#define GEN_PASS_DEF_RECORDKERNELS
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
/// What a product reads and computes: bytes of a run, and operations a token.
struct Work {
  int64_t bytes, operations;
};

Work workOf(Operation *op, codegen::Product product) {
  auto type = cast<RankedTensorType>(product.weight.getType());
  auto packed = encodingOf<PackedAttr>(type);
  ArrayRef<int64_t> matrix = type.getShape().take_back(2);
  int64_t bytes = packed ? packed.getBytes(matrix[0], matrix[1]) : 0,
          operations = 2 * matrix[0] * matrix[1];
  if (type.getRank() == 2)
    return {bytes, operations};
  // Of experts, one token reads those that it goes to; more may read all.
  int64_t experts = type.getDimSize(0),
          width =
              cast<RankedTensorType>(op->getResult(0).getType()).getDimSize(1),
          slots = width / matrix[0];
  bool routed = isa<RoutedMatmulOp>(op);
  return {bytes * (routed ? std::min(slots, experts) : experts),
          operations * slots};
}

struct RecordKernels : heddle::impl::RecordKernelsBase<RecordKernels> {
  SmallVector<Attribute> records;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    Builder b(&getContext());
    // How often a step runs a function: once, or for each of its layers.
    for (const std::string &suffix : codegen::levelSuffixes(module))
      for (const char *name : {"decode", "batch", "prefill"}) {
        std::string step = name + suffix;
        auto func = module.lookupSymbol<func::FuncOp>(step);
        if (!func)
          continue;
        llvm::MapVector<func::FuncOp, int64_t> times;
        times[func] = 1;
        func.walk([&](LayersOp layers) {
          for (int32_t kind : layers.getOrder())
            if (auto callee = module.lookupSymbol<func::FuncOp>(
                    cast<FlatSymbolRefAttr>(layers.getKinds()[kind])))
              ++times[callee];
        });
        for (auto [function, count] : times)
          record(function, step, count);
      }
    module->setAttr("heddle.kernels", b.getArrayAttr(records));
  }

  void record(func::FuncOp function, StringRef step, int64_t times) {
    // Values of the rows whose logits are wanted, not of all tokens.
    llvm::DenseSet<Value> selected;
    Builder b(&getContext());
    function.walk([&](KernelOp kernel) {
      bool rows = llvm::any_of(kernel.getInputs(),
                               [&](Value v) { return selected.contains(v); }) ||
                  !kernel.getBody().front().getOps<SelectRowsOp>().empty();
      if (rows)
        selected.insert_range(kernel.getResults());
      kernel->setAttr("heddle.record", b.getI64IntegerAttr(records.size()));
      records.push_back(describe(kernel, step, times, rows));
    });
  }

  DictionaryAttr describe(KernelOp kernel, StringRef step, int64_t times,
                          bool rows) {
    Builder b(&getContext());
    ScheduleAttr schedule = kernel.getScheduleAttr();
    std::string instruction, numbers;
    for (NamedAttribute option : schedule.getOptions()) {
      if (auto number = dyn_cast<IntegerAttr>(option.getValue()))
        numbers += (numbers.empty() ? "" : " ") + option.getName().str() + "=" +
                   std::to_string(number.getInt());
      else if (option.getName() == "dot" ||
               (option.getName() == "float_dot" && instruction.empty()))
        instruction = cast<StringAttr>(option.getValue()).str();
    }
    int64_t weightBytes = 0, operations = 0, cacheBytes = 0,
            cacheOperations = 0;
    SmallVector<Attribute> generic;
    auto forced = schedule.getOptions().getAs<ArrayAttr>("generic");
    for (Operation &op : kernel.getBody().front().without_terminator()) {
      StringAttr name = op.getName().getIdentifier();
      bool hasEmitter = codegen::productOf(&op) ||
                        isa<AttentionOp, ExpandLatentOp, PlanOp, FetchOp>(op) ||
                        codegen::hasRowEmitter(&op);
      if (schedule.getEmitter() == "generic" || !hasEmitter ||
          (forced && llvm::is_contained(forced, name)))
        generic.push_back(name);
      if (codegen::Product product = codegen::productOf(&op)) {
        Work work = workOf(&op, product);
        weightBytes += work.bytes;
        operations += work.operations;
        if (instruction.empty())
          instruction = codegen::kFloatInstruction;
      } else if (auto attention = dyn_cast<AttentionOp>(op)) {
        CacheType cache = attention.getCache().getType();
        cacheBytes += 2 * cache.getHeads() * cache.getDim() * 4;
        cacheOperations += 4 * attention.getHeads() * cache.getDim();
        instruction = codegen::kFloatInstruction;
      }
    }
    auto entry = [&](StringRef name, auto value) {
      if constexpr (std::is_same_v<decltype(value), int64_t>)
        return b.getNamedAttr(name, b.getI64IntegerAttr(value));
      else
        return b.getNamedAttr(name, b.getStringAttr(value));
    };
    return b.getDictionaryAttr(
        {entry("step", step), entry("kernel", kernel.getName()),
         entry("times", times), entry("emitter", schedule.getEmitter()),
         entry("instruction", instruction), entry("schedule", numbers),
         entry("weight_bytes", weightBytes),
         entry("operations_per_token", operations),
         entry("cache_bytes_per_position", cacheBytes),
         entry("operations_per_position", cacheOperations),
         b.getNamedAttr("selected_rows", b.getBoolAttr(rows)),
         b.getNamedAttr("generic", b.getArrayAttr(generic))});
  }
};
} // namespace
