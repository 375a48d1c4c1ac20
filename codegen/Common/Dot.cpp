//===- Dot.cpp - Dot-product instructions as data -------------------------===//
#include "heddle/codegen/Common/Dot.h"
#include "heddle/Support/Error.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/StringExtras.h"

using namespace heddle;
using namespace heddle::codegen;

PartTable<IntegerDot> &codegen::integerDots() {
  static PartTable<IntegerDot> table("dot instruction");
  return table;
}

PartTable<FloatDot> &codegen::floatDots() {
  static PartTable<FloatDot> table("dot instruction");
  return table;
}

template <typename Dot>
static const Dot *lastOf(PartTable<Dot> &table, const Level &level) {
  llvm::SmallVector<llvm::StringRef> has;
  llvm::StringRef(level.needs).split(has, ',', -1, false);
  const Dot *best = nullptr;
  for (const auto &[dot, owner] : table) {
    if (llvm::StringRef(dot.arch) == level.arch &&
        needsMet(dot.needs, [&](llvm::StringRef need) {
          return llvm::is_contained(has, need);
        }))
      best = &dot;
  }
  return best;
}

const IntegerDot *codegen::integerDotOf(const Level &level) {
  return lastOf(integerDots(), level);
}
const FloatDot *codegen::floatDotOf(const Level &level) {
  return lastOf(floatDots(), level);
}

RowsAttr codegen::activationRows(EncAttr enc, int64_t width,
                                 llvm::StringRef mode, int64_t dotStep) {
  // Scales and sums of activations are of so many elements; a sum is kept of
  // each half.
  constexpr int64_t kGroup = 32;
  mlir::MLIRContext *context = enc.getContext();
  bool codes = enc.getElemBits() < 16;
  if (mode == "a8" && codes) {
    bool fits = (enc.getGroup() == kGroup || enc.getGroup() == kGroup / 2) &&
                width % kGroup == 0 &&
                PackedAttr::fits(enc, std::max<int64_t>(1, dotStep));
    return fits ? RowsAttr::get(context, "i8", kGroup) : RowsAttr();
  }
  // Integers up to 256 are exact in bf16. A minimum is multiplied by the sum of
  // its group, which comes with the activations.
  if (mode == "a16" && codes && enc.getGroup() > 1 &&
      PackedAttr::fits(enc, FloatDot::step) &&
      enc.getLargestCode() + std::abs(enc.getOffset()) <= 256 &&
      (!enc.getMin() || RowsAttr::fits("bf16", enc.getGroup())))
    return RowsAttr::get(context, "bf16", enc.getMin() ? enc.getGroup() : 1);
  if (mode != "f32" && enc.getElem() == "bf16" && width % FloatDot::step == 0)
    return RowsAttr::get(context, "bf16", 1);
  return {};
}

Value codegen::addPairs(KernelBuilder &b, Value sum, Value weights, Value x) {
  int64_t lanes = mlir::cast<mlir::VectorType>(sum.getType()).getDimSize(0);
  mlir::VectorType words = b.vec(lanes, b.getI32Type());
  // A bf16 is the upper half of an f32.
  auto half = [&](Value pairs, bool second) -> Value {
    Value bits = mlir::vector::BitCastOp::create(b, words, pairs);
    bits = second ? mlir::arith::AndIOp::create(b, bits, b.splat(words, -65536))
                        .getResult()
                  : mlir::arith::ShLIOp::create(b, bits, b.splat(words, 16))
                        .getResult();
    return mlir::vector::BitCastOp::create(b, sum.getType(), bits);
  };
  for (bool second : {false, true})
    sum = b.fma(half(weights, second), half(x, second), sum);
  return sum;
}

RowsAttr codegen::activationRows(mlir::ModuleOp module, Value weight) {
  auto mode = module->getAttrOfType<mlir::StringAttr>("heddle.numeric");
  auto enc = encodingOf<EncAttr>(weight);
  if (!mode || !enc)
    return {};
  auto step = dotStepOf(levelsOf(module));
  int64_t dotStep = step ? *step : 0;
  llvm::consumeError(step.takeError()); // SetNumericMode has reported it
  return activationRows(
      enc, cast<mlir::RankedTensorType>(weight.getType()).getShape().back(),
      mode.getValue(), dotStep);
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
