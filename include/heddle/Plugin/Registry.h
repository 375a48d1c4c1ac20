//===- Registry.h - Where every part of the compiler registers --*- C++ -*-===//
//
// Importers, families, encodings, passes, targets and routers join the compiler
// through one versioned entry point. Parts of the tree have no other:
// lib/Plugin/Builtin.cpp lists their PluginInfo, and a stranger's `.so` exports
// one:
//
//   extern "C" const heddle::PluginInfo *heddleGetPluginInfo() {
//     static const heddle::PluginInfo info = {HEDDLE_PLUGIN_API_VERSION,
//     "mine", "1.0", [](heddle::Registry &registry) {
//       registry.addEncoding(myEncoding);
//     }};
//     return &info;
//   }
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_PLUGIN_REGISTRY_H
#define HEDDLE_PLUGIN_REGISTRY_H

#include "heddle/Import/Encoding.h"
#include "heddle/Import/Family.h"
#include "heddle/Import/Importer.h"
#include "heddle/Plugin/Router.h"
#include "heddle/Reference/Interpreter.h"
#include "heddle/Support/PartTable.h"
#include "heddle/codegen/Common/Dot.h"
#include "heddle/codegen/Common/Target.h"
#include "heddle/passes/Pipelines.h"
#include <cstdint>

/// Changes whenever a struct or signature that plugins see does.
#define HEDDLE_PLUGIN_API_VERSION 6

namespace mlir {
class DialectRegistry;
}

namespace heddle {

class Registry;

/// What a plugin says of itself. `apiVersion` comes first and the plugin owns
/// the bytes, so that one of another version can be refused without reading the
/// rest, whatever its size.
struct PluginInfo {
  uint32_t apiVersion;
  const char *name, *version;
  void (*registerParts)(Registry &registry);
};

/// Handed to `registerParts`. A part whose name is taken is an error with both
/// owners; what the plugin registered besides stays, so whoever loads it must
/// give up.
class Registry {
public:
  void addImporter(import::Importer importer);
  void addFamily(import::Family family);
  void addEncoding(import::EncodingInfo encoding);
  void addLevel(codegen::Level level);
  void addIntegerDot(codegen::IntegerDot dot);
  void addFloatDot(codegen::FloatDot dot);
  void addRouter(Router router);
  /// Makes a pass known by its argument, to pipelines and to heddle-opt.
  void addPass(std::function<std::unique_ptr<mlir::Pass>()> create);
  /// Appends (or puts in front) passes to a phase.
  void addToPhase(llvm::StringRef phase, PhaseBuilder build,
                  PhaseEnd where = PhaseEnd::Back);
  /// Dialects, extensions and external models of interfaces. A dialect may be
  /// there already; another one of its name is refused.
  void addDialects(void (*insert)(mlir::DialectRegistry &));
  /// What an op means to the f64 reference interpreter; one that has a meaning
  /// keeps it.
  void addSemantics(llvm::StringRef op, reference::Semantics semantics);

private:
  friend llvm::Error addPlugin(const PluginInfo &info, llvm::StringRef where);
  Registry(std::string owner) : owner(std::move(owner)) {}
  void note(llvm::Error error);

  std::string owner;
  llvm::Error failed = llvm::Error::success();
};

/// Registers the parts of one plugin; `where` is its file, for messages.
/// Errors: Unsupported for another API version, with both numbers; Malformed
/// for a name that is taken, with both owners.
llvm::Error addPlugin(const PluginInfo &info, llvm::StringRef where);

/// Loads a plugin from a shared object. Errors: those of addPlugin; InputOutput
/// with the loader's words.
llvm::Error loadPlugin(llvm::StringRef path);

/// Registers everything of the tree, once; called first by every tool.
void registerBuiltins();

struct LoadedPlugin {
  std::string name, version, where;
};
const PartTable<LoadedPlugin> &plugins();
/// Dialects, interfaces and translations that the phases use: upstream's, ours
/// and those of loaded plugins.
void registerDialects(mlir::DialectRegistry &registry);

} // namespace heddle

#endif // HEDDLE_PLUGIN_REGISTRY_H
