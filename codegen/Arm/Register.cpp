//===- Register.cpp - AArch64 feature levels, best last -------------------===//
#include "heddle/Plugin/Builtin.h"
#include "heddle/Plugin/Registry.h"

void heddle::codegen::arm::registerParts(Registry &registry) {
  registry.addLevel({"aarch64", "aarch64", "aarch64-linux-gnu", "generic", "+neon", "", 4, 32});
}
