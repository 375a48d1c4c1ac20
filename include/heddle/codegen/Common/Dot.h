//===- Dot.h - Dot-product instructions as data -----------------*- C++ -*-===//
//
// A dot instruction multiplies `step` elements along k of `lanes` rows of a
// weight with the same `step` elements of one activation, and adds each row's
// sum to its lane. The packed layout of a weight (#heddle.packed) follows from
// `step`; the schedule library builds its loops around what is said here and
// knows no instruction by name.
//
// Which weights meet which activations in a numeric mode is said here too: the
// conversions, the layout and the schedule follow from activationRows().
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_CODEGEN_COMMON_DOT_H
#define HEDDLE_CODEGEN_COMMON_DOT_H

#include "heddle/codegen/Common/KernelBuilder.h"
#include "heddle/codegen/Common/Target.h"

namespace heddle::codegen {

/// An instruction on integer codes; sums are exact, so their order is free.
struct IntegerDot {
  /// As schedules name it.
  const char *name;
  const char *arch;
  /// Features beyond the architecture, a comma list as in Level::needs.
  const char *needs;
  /// Rows and consecutive elements along k of one instruction.
  int64_t lanes, step;
  /// Width of a partial sum. 16-bit partials hold the sum of two products each.
  int64_t partialBits;
  /// partial + dot(weights, x): vector<lanes * 32 / partialBits x
  /// i(partialBits)>, vector<lanes * step x i8>, the same. Weights are
  /// unsigned: up to 255 if there is no `addSigned`, else below 128, which
  /// signed instructions take as they are.
  Value (*add)(KernelBuilder &, Value partial, Value weights, Value x);
  /// The same with signed weights in [-128, 127] and x in [-127, 127]. Null if
  /// there is none: weights then enter with 128 added, which the sum of x takes
  /// off again.
  Value (*addSigned)(KernelBuilder &, Value partial, Value weights, Value x);
  /// A partial as vector<lanes x i32>; null where it is one.
  Value (*widen)(KernelBuilder &, Value partial);
  /// table[codes]: vector<lanes * step x i8> each, the 16 numbers of the table
  /// again every 16 lanes, codes below 16.
  Value (*lookup)(KernelBuilder &, Value table, Value codes);

  /// Additions before a partial must be widened, for weights up to `largest`.
  int64_t depth(int64_t largest) const;
};

PartTable<IntegerDot> &integerDots();

/// An instruction on pairs of bf16 with sums in f32. A level uses one for every
/// token count, since a sum's order is the instruction's.
struct FloatDot {
  /// As schedules name it.
  const char *name;
  const char *arch;
  /// Features beyond the architecture, a comma list as in Level::needs.
  const char *needs;
  /// Rows of one instruction.
  int64_t lanes;
  /// sum + dot(weights, x): vector<lanes x f32>, vector<2 * lanes x bf16>
  /// twice, two consecutive elements along k a row.
  Value (*add)(KernelBuilder &, Value sum, Value weights, Value x);
  /// table[index]: vector<2 * lanes x i16> each. The low five bits of an index
  /// count, the others may be anything. Null if there is no such instruction:
  /// codes then become numbers by arithmetic.
  Value (*lookup)(KernelBuilder &, Value table, Value index);

  /// Elements along k of one instruction, and of the layout in every level.
  static constexpr int64_t step = 2;
};

PartTable<FloatDot> &floatDots();

/// FloatDot::add with two fma, for levels without an instruction.
Value addPairs(KernelBuilder &b, Value sum, Value weights, Value x);

/// The last registered instruction that a level has; null if it has none.
const IntegerDot *integerDotOf(const Level &level);
const FloatDot *floatDotOf(const Level &level);

/// How activations of `width` elements enter a product with a weight stored as
/// `enc` in numeric mode `mode`; null for f32. `dotStep` is that of the integer
/// dot products, 0 if there are none.
RowsAttr activationRows(EncAttr enc, int64_t width, llvm::StringRef mode,
                        int64_t dotStep);

/// The same for a parameter of `module` not packed yet, in the module's mode
/// and for its levels.
RowsAttr activationRows(mlir::ModuleOp module, Value weight);

/// The step of the instructions of all `levels`, which share one layout; 0 if
/// one has none. Errors: Unsupported if they differ.
llvm::Expected<int64_t> dotStepOf(llvm::ArrayRef<const Level *> levels);

} // namespace heddle::codegen

#endif // HEDDLE_CODEGEN_COMMON_DOT_H
