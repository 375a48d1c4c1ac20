//===- Plugin.cpp - The entry points --------------------------------------===//
#include "Parts.h"
#include "heddle/Plugin/Registry.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

/// `heddle … --plugin=Example.so`, `heddle-opt --plugin=Example.so`.
extern "C" LLVM_ATTRIBUTE_VISIBILITY_DEFAULT const heddle::PluginInfo *
heddleGetPluginInfo() {
  static const heddle::PluginInfo info = {
      HEDDLE_PLUGIN_API_VERSION, "example", "0.1",
      [](heddle::Registry &registry) {
        registry.addDialects([](mlir::DialectRegistry &dialects) {
          dialects.insert<example::ExampleDialect>();
        });
        registry.addSemantics("example.relu2", example::relu2Semantics());
        registry.addSemantics("example.scale", example::scaleSemantics());
        registry.addPass([] { return example::createFoldScale(); });
        registry.addToPhase("canonicalize", [](mlir::OpPassManager &pm) {
          pm.addPass(example::createFoldScale());
        });
        registry.addEncoding(example::tq2);
        registry.addFamily(example::family);
      }};
  return &info;
}

/// MLIR's own, for --load-dialect-plugin and --load-pass-plugin of any
/// mlir-opt.
extern "C" LLVM_ATTRIBUTE_VISIBILITY_DEFAULT mlir::DialectPluginLibraryInfo
mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "example", "0.1",
          [](mlir::DialectRegistry *dialects) {
            dialects->insert<example::ExampleDialect>();
          }};
}

extern "C" LLVM_ATTRIBUTE_VISIBILITY_DEFAULT mlir::PassPluginLibraryInfo
mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "example", "0.1",
          [] { example::registerExamplePasses(); }};
}
