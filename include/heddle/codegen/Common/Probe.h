//===- Probe.h - What measures a dot product's peak -------------*- C++ -*-===//
#ifndef HEDDLE_CODEGEN_COMMON_PROBE_H
#define HEDDLE_CODEGEN_COMMON_PROBE_H

#include "heddle/codegen/Common/Dot.h"
#include <functional>
#include <string>
#include <vector>

namespace heddle::codegen {

/// What schedules without a dot instruction compute with, as explain and bench
/// name it.
inline constexpr const char *kFloatInstruction = "f32 fma";

/// A dot product as the loop that measures its peak needs it.
struct DotProbe {
  /// As schedules name the instruction, and the type of what it multiplies.
  std::string instruction, type;
  /// The vector of a sum.
  mlir::VectorType sum;
  /// Multiplications and additions of one step.
  int64_t operations;
  /// sum + dot(w, x), where an operand is made of `sum`: nothing of it can
  /// leave the loop.
  std::function<Value(KernelBuilder &, Value sum)> step;
};

/// The dot products that kernels of a level compute with, one of each type.
std::vector<DotProbe> dotProbesOf(mlir::MLIRContext *context,
                                  const Level &level);

} // namespace heddle::codegen

#endif // HEDDLE_CODEGEN_COMMON_PROBE_H
