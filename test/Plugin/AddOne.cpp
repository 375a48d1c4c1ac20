//===- AddOne.cpp - A plugin of one part a kind ---------------------------===//
#include "heddle/Plugin/Registry.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace {
/// Marks the module, so that a test sees where it ran.
struct Mark : PassWrapper<Mark, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Mark)
  StringRef getArgument() const override { return "add-one-mark"; }
  StringRef getDescription() const override { return "Marks the module"; }
  void runOnOperation() override {
    getOperation()->setAttr("add_one.seen", UnitAttr::get(&getContext()));
  }
};

void decode(const uint8_t *src, int64_t nBlocks,
            const heddle::import::Decoded &to) {
  std::copy(src, src + nBlocks, to.codes);
}
} // namespace

extern "C" const heddle::PluginInfo *heddleGetPluginInfo() {
  static const heddle::PluginInfo info = {
      HEDDLE_PLUGIN_API_VERSION, "add-one", "0.1",
      [](heddle::Registry &registry) {
        using namespace heddle;
        registry.addPass([] { return std::make_unique<Mark>(); });
        registry.addToPhase("fuse", [](OpPassManager &pm) {
          pm.addPass(std::make_unique<Mark>());
        });
        registry.addEncoding(
            {"i8", 1, 1, {import::ElemKind::I8, 1, false, false, 0}, decode});
        registry.addRouter({"first", "the first experts, whatever the token"});
      }};
  return &info;
}
