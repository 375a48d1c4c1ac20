//===- Dots.h - Integer dot products of AArch64 -----------------*- C++ -*-===//
#ifndef HEDDLE_CODEGEN_ARM_DOTS_H
#define HEDDLE_CODEGEN_ARM_DOTS_H

#include "heddle/codegen/Common/Dot.h"

namespace heddle::codegen::arm {
llvm::ArrayRef<IntegerDot> integerDots();
} // namespace heddle::codegen::arm

#endif // HEDDLE_CODEGEN_ARM_DOTS_H
