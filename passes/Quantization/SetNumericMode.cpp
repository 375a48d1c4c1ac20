//===- SetNumericMode.cpp - Resolves the numeric mode ---------------------===//
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_SETNUMERICMODE
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct SetNumericMode : heddle::impl::SetNumericModeBase<SetNumericMode> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto mode = module->getAttrOfType<StringAttr>("heddle.numeric");
    StringRef text = mode ? mode.getValue() : "auto";
    if (text != "auto" && text != "f32") {
      module.emitError("numeric = ") << text << ", supported: auto, f32";
      return signalPassFailure();
    }
    // f32 is the only mode that kernels implement, so the table has one row.
    module->setAttr("heddle.numeric", StringAttr::get(&getContext(), "f32"));
  }
};
} // namespace
