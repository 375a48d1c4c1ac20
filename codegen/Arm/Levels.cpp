//===- Levels.cpp - AArch64 feature levels, best last ---------------------===//
#include "heddle/codegen/Common/Target.h"

llvm::ArrayRef<heddle::codegen::Level> heddle::codegen::armLevels() {
  static const Level levels[] = {
      {"aarch64", "aarch64", "aarch64-linux-gnu", "generic", "+neon", "", 4, 32},
  };
  return levels;
}
