//===- Builtin.cpp - The parts of the tree --------------------------------===//
//
// A component hands over its parts through the entry point that a plugin has.
//
//===----------------------------------------------------------------------===//
#include "heddle/Plugin/Builtin.h"
#include "heddle/Plugin/Registry.h"

void heddle::registerBuiltins() {
  static constexpr struct {
    const char *name;
    void (*parts)(Registry &);
  } components[] = {
      {"dialects", dialects::registerParts},
      {"import", import::registerParts},
      {"passes", passes::registerParts},
      {"x86", codegen::x86::registerParts},
      {"arm", codegen::arm::registerParts},
  };
  static const bool once = [] {
    for (auto [name, parts] : components)
      llvm::cantFail(addPlugin(
          {HEDDLE_PLUGIN_API_VERSION, name, HEDDLE_VERSION, parts}, name));
    return true;
  }();
  (void)once;
}
