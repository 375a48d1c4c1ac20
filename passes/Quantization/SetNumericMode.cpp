//===- SetNumericMode.cpp - Resolves the numeric mode ---------------------===//
#include "heddle/codegen/Common/Dot.h"
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_SETNUMERICMODE
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct SetNumericMode : heddle::impl::SetNumericModeBase<SetNumericMode> {
  int64_t codes = 0, pairs = 0, floats = 0; // bytes of matrices

  void count(Type type, int64_t times) {
    if (auto enc = encodingOf<EncAttr>(type))
      (enc.getElemBits() < 16    ? codes
       : enc.getElem() == "bf16" ? pairs
                                 : floats) +=
          times * cast<RankedTensorType>(type).getNumElements() /
          enc.getBlock() * enc.getBlockBytes();
  }

  /// The mode that most bytes ask for, of those that all levels have an
  /// instruction for.
  StringRef byWeight(bool hasDot, bool hasFloatDot) {
    getOperation().walk([&](ParamOp param) { count(param.getType(), 1); });
    getOperation().walk([&](LayersOp layers) {
      SmallVector<int64_t> times(layers.getKinds().size());
      for (int32_t kind : layers.getOrder())
        ++times[kind];
      for (auto [symbol, n] : llvm::zip(layers.getKinds(), times))
        if (auto func = getOperation().lookupSymbol<func::FuncOp>(
                cast<FlatSymbolRefAttr>(symbol)))
          for (Type type : func.getArgumentTypes())
            count(type, n);
    });
    if (codes > pairs + floats)
      return hasDot ? "a8" : "f32";
    return pairs > floats && hasFloatDot ? "a16" : "f32";
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    Attribute attr = module->getAttr("heddle.numeric");
    auto mode = dyn_cast_or_null<StringAttr>(attr);
    if (attr && !mode) {
      module.emitError("numeric = ") << attr << ", needs a string";
      return signalPassFailure();
    }
    StringRef text = mode ? mode.getValue() : "auto";
    auto levels = codegen::levelsOf(module);
    bool hasDot = false,
         hasFloatDot =
             !levels.empty() && llvm::all_of(levels, [](const auto *level) {
               return codegen::floatDotOf(*level);
             });
    if (text == "auto" || text == "a8") {
      auto step = codegen::dotStepOf(levels);
      if (!step) {
        module.emitError(llvm::toString(step.takeError()));
        return signalPassFailure();
      }
      hasDot = *step;
    }
    if (text == "auto") {
      text = byWeight(hasDot, hasFloatDot);
    } else if (text != "f32" && text != "a16" && text != "a8") {
      module.emitError("numeric = ")
          << text << ", supported: auto, f32, a16, a8";
      return signalPassFailure();
    } else if (text == "a8" && !hasDot) {
      auto target = module->getAttrOfType<StringAttr>("heddle.target");
      module.emitError("unsupported: numeric = a8 on target ")
          << (target ? target.getValue() : "none")
          << ", which has no integer dot product";
      return signalPassFailure();
    }
    module->setAttr("heddle.numeric", StringAttr::get(&getContext(), text));
  }
};
} // namespace
