//===- Dots.h - Integer dot products of x86-64 ------------------*- C++ -*-===//
#ifndef HEDDLE_CODEGEN_X86_DOTS_H
#define HEDDLE_CODEGEN_X86_DOTS_H

#include "heddle/codegen/Common/Dot.h"

namespace heddle::codegen::x86 {
llvm::ArrayRef<IntegerDot> integerDots();
llvm::ArrayRef<FloatDot> floatDots();
} // namespace heddle::codegen::x86

#endif // HEDDLE_CODEGEN_X86_DOTS_H
