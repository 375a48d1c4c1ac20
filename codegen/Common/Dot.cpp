//===- Dot.cpp - Dot-product instructions as data -------------------------===//
#include "heddle/codegen/Common/Dot.h"
#include "llvm/ADT/StringExtras.h"

using namespace heddle;
using namespace heddle::codegen;

PartTable<IntegerDot> &codegen::integerDots() {
  static PartTable<IntegerDot> table("dot instruction");
  return table;
}

const IntegerDot *codegen::integerDotOf(const Level &level) {
  llvm::SmallVector<llvm::StringRef> has;
  llvm::StringRef(level.needs).split(has, ',', -1, false);
  const IntegerDot *best = nullptr;
  for (const auto &[dot, owner] : integerDots()) {
    llvm::SmallVector<llvm::StringRef> needs;
    llvm::StringRef(dot.needs).split(needs, ',', -1, false);
    if (llvm::StringRef(dot.arch) == level.arch && llvm::all_of(needs, [&](llvm::StringRef need) { return llvm::is_contained(has, need); }))
      best = &dot;
  }
  return best;
}

int64_t IntegerDot::depth(int64_t largest) const {
  return partialBits == 16 ? 32767 / (2 * 127 * largest) : INT64_MAX;
}
