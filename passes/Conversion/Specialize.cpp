//===- Specialize.cpp - Clones the graph per token count and level --------===//
#include "heddle/codegen/Common/Target.h"
#include "heddle/passes/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringSet.h"

namespace heddle {
#define GEN_PASS_DEF_SPECIALIZE
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
/// In a decode step T = R = 1, so every dynamic dimension is one.
Type withOneToken(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || tensor.hasStaticShape())
    return type;
  SmallVector<int64_t> shape(tensor.getShape());
  for (int64_t &dim : shape)
    if (ShapedType::isDynamic(dim))
      dim = 1;
  return tensor.clone(shape);
}

/// `suffix` is ".LEVEL", or empty where the program has one level.
func::FuncOp cloneFunc(func::FuncOp func, const Twine &name, int64_t tokens,
                       StringRef suffix) {
  OpBuilder builder(func);
  auto copy = cast<func::FuncOp>(builder.clone(*func));
  copy.setName(name.str());
  copy->setAttr("heddle.max_tokens", builder.getI64IntegerAttr(tokens));
  if (!suffix.empty())
    copy->setAttr("heddle.level", builder.getStringAttr(suffix.drop_front()));
  if (tokens != 1)
    return copy;
  copy->walk([](Operation *op) {
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument arg : block.getArguments())
          arg.setType(withOneToken(arg.getType()));
    for (Value result : op->getResults())
      result.setType(withOneToken(result.getType()));
  });
  SmallVector<Type> results;
  for (Type type : copy.getFunctionType().getResults())
    results.push_back(withOneToken(type));
  copy.setType(
      builder.getFunctionType(copy.getBody().getArgumentTypes(), results));
  return copy;
}

struct Specialize : heddle::impl::SpecializeBase<Specialize> {
  using SpecializeBase::SpecializeBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto forward = module.lookupSymbol<func::FuncOp>("forward");
    if (!forward || forward.isExternal())
      return;
    // A step's buffers are prefill-tokens rows, whose bytes must not overflow.
    constexpr int64_t kMostTokens = 1 << 20;
    if (batchTokens < 1 || prefillTokens < batchTokens ||
        prefillTokens > kMostTokens) {
      module.emitError("prefill-tokens = ")
          << prefillTokens.getValue()
          << ", limit at least batch-tokens = " << batchTokens.getValue()
          << ", at least 1, at most " << kMostTokens;
      return signalPassFailure();
    }
    Builder b(&getContext());
    module->setAttr("heddle.batch_tokens", b.getI64IntegerAttr(batchTokens));
    module->setAttr("heddle.prefill_tokens",
                    b.getI64IntegerAttr(prefillTokens));
    SmallVector<func::FuncOp> originals = {forward};
    llvm::StringSet<> made;
    // The name of a clone must be free: another function of that name would be
    // taken for it.
    auto isFree = [&](const Twine &name, func::FuncOp of) {
      Operation *taken = module.lookupSymbol(name.str());
      if (!taken)
        return true;
      taken->emitError("@") << name << " is there before @" << of.getName()
                            << " is specialized to it";
      return false;
    };
    auto specialize = [&](StringRef name, int64_t tokens, StringRef suffix) {
      if (!isFree(name, forward))
        return failure();
      func::FuncOp step = cloneFunc(forward, name, tokens, suffix);
      WalkResult walked = step.walk([&](LayersOp layers) {
        SmallVector<Attribute> kinds;
        for (Attribute kind : layers.getKinds()) {
          auto func =
              module.lookupSymbol<func::FuncOp>(cast<FlatSymbolRefAttr>(kind));
          if (!llvm::is_contained(originals, func))
            originals.push_back(func);
          std::string clone = (func.getName() + "." + name).str();
          if (made.insert(clone).second) {
            if (!isFree(clone, func))
              return WalkResult::interrupt();
            cloneFunc(func, clone, tokens, suffix);
          }
          kinds.push_back(FlatSymbolRefAttr::get(&getContext(), clone));
        }
        layers.setKindsAttr(ArrayAttr::get(&getContext(), kinds));
        return WalkResult::advance();
      });
      return failure(walked.wasInterrupted());
    };
    for (const std::string &suffix : codegen::levelSuffixes(module))
      for (auto [name, tokens] : {std::pair<const char *, int64_t>{"decode", 1},
                                  {"batch", batchTokens},
                                  {"prefill", prefillTokens}})
        if (failed(specialize(name + suffix, tokens, suffix)))
          return signalPassFailure();
    for (func::FuncOp func : originals)
      func.erase();
  }
};
} // namespace
