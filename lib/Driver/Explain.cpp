//===- Explain.cpp - What became of each kernel ---------------------------===//
#include "heddle/Driver/Explain.h"
#include "heddle/codegen/Common/RowOps.h"
#include "heddle/codegen/Common/Target.h"
#include "heddle/dialects/Heddle/Heddle.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include <fmt/format.h>

using namespace mlir;
using namespace heddle;

namespace {
struct Row {
  std::string step, ops, emitter, instruction, schedule;
  std::vector<std::string> generic; // ops on the generic path
  int64_t times = 0;                // a step runs it
  int64_t weightBytes = 0;          // each time
  int64_t operations = 0;           // for a token, each time
  int64_t cacheBytes = 0,
          cacheOperations = 0; // for a token and a position before it
};

int64_t packedBytes(Type type) {
  auto packed = encodingOf<PackedAttr>(type);
  auto tensor = dyn_cast<RankedTensorType>(type);
  return packed ? packed.getBytes(tensor.getDimSize(0), tensor.getDimSize(1))
                : 0;
}

Row describe(KernelOp kernel) {
  Row row;
  row.ops = kernel.getName().str();
  ScheduleAttr schedule = kernel.getScheduleAttr();
  row.emitter = schedule.getEmitter().str();
  for (NamedAttribute option : schedule.getOptions()) {
    if (auto number = dyn_cast<IntegerAttr>(option.getValue()))
      row.schedule += fmt::format("{}{}={}", row.schedule.empty() ? "" : " ",
                                  option.getName().str(), number.getInt());
    else if (option.getName() == "dot")
      row.instruction = cast<StringAttr>(option.getValue()).str();
  }
  auto forced = schedule.getOptions().getAs<ArrayAttr>("generic");
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    StringAttr name = op.getName().getIdentifier();
    bool hasEmitter =
        isa<LinearOp, AttentionOp>(op) || codegen::hasRowEmitter(&op);
    if (row.emitter == "generic" || !hasEmitter ||
        (forced && llvm::is_contained(forced, name)))
      row.generic.push_back(name.str());
    if (auto linear = dyn_cast<LinearOp>(op)) {
      auto type = cast<RankedTensorType>(linear.getWeight().getType());
      row.weightBytes += packedBytes(type);
      row.operations += 2 * type.getNumElements();
      if (row.instruction.empty())
        row.instruction = "f32 fma";
    } else if (auto attention = dyn_cast<AttentionOp>(op)) {
      CacheType cache = attention.getCache().getType();
      row.cacheBytes += 2 * cache.getHeads() * cache.getDim() * 4;
      row.cacheOperations += 4 * attention.getHeads() * cache.getDim();
      row.instruction = "f32 fma";
    }
  }
  return row;
}

std::vector<Row> describe(ModuleOp module) {
  // How often a step runs a function: once, or for each of its layers.
  std::vector<Row> rows;
  SmallVector<std::string> steps;
  for (const std::string &suffix : codegen::levelSuffixes(module))
    for (const char *step : {"decode", "batch", "prefill"})
      steps.push_back(step + suffix);
  for (const std::string &step : steps) {
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
      function.walk([&, count = count](KernelOp kernel) {
        Row row = describe(kernel);
        row.step = step;
        row.times = count;
        rows.push_back(row);
      });
  }
  return rows;
}
} // namespace

void heddle::explainKernels(ModuleOp module, const ExplainOptions &options,
                            llvm::raw_ostream &os) {
  std::vector<Row> rows = describe(module);
  // Microseconds of all runs of a kernel for one token, at the limits given.
  auto predicted = [&](const Row &row) {
    double bytes = row.weightBytes + double(row.cacheBytes) * options.depth;
    double operations =
        row.operations + double(row.cacheOperations) * options.depth;
    double memory = options.dramGBs > 0 ? bytes / options.dramGBs / 1e3 : 0,
           compute = options.gops > 0 ? operations / options.gops / 1e3 : 0;
    return row.times * std::max(memory, compute);
  };
  bool limits = options.dramGBs > 0 || options.gops > 0;
  if (options.json) {
    llvm::json::Array kernels;
    for (const Row &row : rows) {
      llvm::json::Object object{
          {"step", row.step},
          {"kernel", row.ops},
          {"times", row.times},
          {"emitter", row.emitter},
          {"instruction", row.instruction},
          {"schedule", row.schedule},
          {"weight_bytes", row.weightBytes},
          {"operations_per_token", row.operations},
          {"cache_bytes_per_position", row.cacheBytes},
          {"operations_per_position", row.cacheOperations},
          {"generic", llvm::json::Array(row.generic)}};
      if (limits && StringRef(row.step).starts_with("decode"))
        object["predicted_us"] = predicted(row);
      kernels.push_back(std::move(object));
    }
    os << llvm::formatv("{0:2}", llvm::json::Value(llvm::json::Object{
                                     {"kernels", std::move(kernels)}}))
       << '\n';
    return;
  }
  std::string step;
  double total = 0;
  for (const Row &row : rows) {
    if (step != row.step)
      os << (step.empty() ? "" : "\n") << row.step << '\n';
    step = row.step;
    os << fmt::format("{:>4} x {}\n", row.times, row.ops);
    std::string line = row.emitter;
    if (!row.generic.empty())
      line += fmt::format(", on the generic path: {}",
                          llvm::join(row.generic, ", "));
    if (!row.instruction.empty())
      line += ", " + row.instruction;
    line += "; " + row.schedule;
    if (row.weightBytes)
      line += fmt::format("; {} bytes of weights, {} operations a token",
                          row.weightBytes, row.operations);
    if (row.cacheBytes)
      line += fmt::format("; {} bytes and {} operations a position",
                          row.cacheBytes, row.cacheOperations);
    if (limits && StringRef(step).starts_with("decode")) {
      line += fmt::format("; {:.1f} us at the limits", predicted(row));
      total += predicted(row);
    }
    os << "       " << line << '\n';
  }
  if (limits)
    os << fmt::format("\na token at depth {}: {:.0f} us at the limits\n",
                      options.depth, total);
}
