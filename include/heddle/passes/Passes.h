//===- Passes.h - Every pass of the pipeline --------------------*- C++ -*-===//
#ifndef HEDDLE_PASSES_PASSES_H
#define HEDDLE_PASSES_PASSES_H

#include "heddle/dialects/Heddle/Heddle.h"
#include "heddle/dialects/HeddleRT/HeddleRT.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace heddle {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

#endif // HEDDLE_PASSES_PASSES_H
