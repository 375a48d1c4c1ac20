//===- Dot.cpp - Dot-product instructions as data -------------------------===//
#include "heddle/codegen/Common/Dot.h"
#include "heddle/Support/Error.h"
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
    if (llvm::StringRef(dot.arch) == level.arch &&
        needsMet(dot.needs, [&](llvm::StringRef need) {
          return llvm::is_contained(has, need);
        }))
      best = &dot;
  }
  return best;
}

llvm::Expected<int64_t>
codegen::dotStepOf(llvm::ArrayRef<const Level *> levels) {
  const IntegerDot *first = nullptr;
  for (const Level *level : levels) {
    const IntegerDot *dot = integerDotOf(*level);
    if (!dot)
      return 0;
    if (!first)
      first = dot;
    if (dot->step != first->step)
      return failure(
          ExitCode::Unsupported,
          "unsupported: target = " + std::string(levels.front()->name) + "," +
              level->name + " with numeric = a8: integer dot products take " +
              std::to_string(first->step) + " and " +
              std::to_string(dot->step) +
              " elements, and a program has one layout");
  }
  return first ? first->step : 0;
}

int64_t IntegerDot::depth(int64_t largest) const {
  return partialBits == 16 ? 32767 / (2 * 127 * largest) : INT64_MAX;
}
