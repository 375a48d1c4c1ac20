//===- Semantics.h - The registry of op meanings ----------------*- C++ -*-===//
#ifndef HEDDLE_LIB_REFERENCE_SEMANTICS_H
#define HEDDLE_LIB_REFERENCE_SEMANTICS_H

#include "heddle/Reference/Interpreter.h"

namespace heddle::reference {
/// Null if the op has none.
const Semantics *findSemantics(llvm::StringRef opName);
} // namespace heddle::reference

#endif // HEDDLE_LIB_REFERENCE_SEMANTICS_H
