//===- Refused.cpp - A plugin that breaks the rules, one a run ------------===//
//
// $HEDDLE_TEST_PLUGIN says how: "version" is of an API that does not exist, the
// others take a name that is taken or a phase that is none, or break the IR.
//
//===----------------------------------------------------------------------===//
#include "heddle/Plugin/Registry.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <cstdlib>
#include <cstring>

namespace {
/// Leaves functions without a terminator.
struct Break : mlir::PassWrapper<Break, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Break)
  llvm::StringRef getArgument() const override { return "refused-break"; }
  void runOnOperation() override {
    for (auto function : getOperation().getOps<mlir::func::FuncOp>())
      function.back().getTerminator()->erase();
  }
};
/// Has the argument of a pass that there is.
struct Taken : mlir::PassWrapper<Taken, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Taken)
  llvm::StringRef getArgument() const override {
    return "heddle-choose-layouts";
  }
  void runOnOperation() override {}
};
/// Has the name of an upstream dialect.
struct Arith : mlir::Dialect {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Arith)
  explicit Arith(mlir::MLIRContext *context)
      : Dialect(getDialectNamespace(), context, mlir::TypeID::get<Arith>()) {}
  static llvm::StringRef getDialectNamespace() { return "arith"; }
};
} // namespace

static const char *how() {
  const char *value = std::getenv("HEDDLE_TEST_PLUGIN");
  return value ? value : "";
}

extern "C" const heddle::PluginInfo *heddleGetPluginInfo() {
  uint32_t version =
      HEDDLE_PLUGIN_API_VERSION + (std::strcmp(how(), "version") ? 0 : 999);
  static const heddle::PluginInfo info = {
      version, std::strcmp(how(), "plugin") ? "refused" : "x86", "0.1",
      [](heddle::Registry &registry) {
        llvm::StringRef what = how();
        if (what == "family")
          registry.addFamily({"llama", "another", nullptr});
        else if (what == "target")
          registry.addLevel({"x86-64-v3", "x86_64", "x86_64-linux-gnu",
                             "x86-64-v3", "", "", 8, 16});
        else if (what == "dialect")
          registry.addDialects([](mlir::DialectRegistry &dialects) {
            dialects.insert<Arith>();
          });
        else if (what == "pass")
          registry.addPass([] { return std::make_unique<Taken>(); });
        else if (what == "format")
          registry.addImporter({"gguf", "another", nullptr, nullptr});
        else if (what == "phase")
          registry.addToPhase("spin", [](mlir::OpPassManager &) {});
        else if (what == "break") {
          registry.addPass([] { return std::make_unique<Break>(); });
          registry.addToPhase("fuse", [](mlir::OpPassManager &pm) {
            pm.addPass(std::make_unique<Break>());
          });
        } else if (what == "semantics")
          registry.addSemantics("heddle.linear", {});
      }};
  return &info;
}
