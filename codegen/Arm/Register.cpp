//===- Register.cpp - AArch64 feature levels, best last -------------------===//
#include "Dots.h"
#include "heddle/Plugin/Builtin.h"
#include "heddle/Plugin/Registry.h"

void heddle::codegen::arm::registerParts(Registry &registry) {
  static const Level rows[] = {
      {"aarch64", "aarch64", "aarch64-linux-gnu", "generic", "+neon", "", 4,
       32},
      {"aarch64+dotprod", "aarch64", "aarch64-linux-gnu", "generic",
       "+neon,+dotprod", "dotprod", 4, 32},
      {"aarch64+dotprod+i8mm", "aarch64", "aarch64-linux-gnu", "generic",
       "+neon,+dotprod,+i8mm", "dotprod,i8mm", 4, 32},
  };
  for (const Level &level : rows)
    registry.addLevel(level);
  for (const IntegerDot &dot : integerDots())
    registry.addIntegerDot(dot);
}
