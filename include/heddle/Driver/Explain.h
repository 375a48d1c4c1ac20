//===- Explain.h - What became of each kernel -------------------*- C++ -*-===//
#ifndef HEDDLE_DRIVER_EXPLAIN_H
#define HEDDLE_DRIVER_EXPLAIN_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/raw_ostream.h"

namespace heddle {

struct ExplainOptions {
  bool json = false;
  /// The machine's limits, as PROG bench probes them; 0 = not given, nothing is
  /// predicted.
  double dramGBs = 0, gops = 0;
  /// Positions before the token, for what a prediction reads of the caches.
  int64_t depth = 0;
};

/// Prints, for each kernel of each step of a module after the schedule phase:
/// the ops in it, its emitter, instruction and schedule, how often a step runs
/// it, bytes and operations, and for decode the time that the limits allow.
void explainKernels(mlir::ModuleOp module, const ExplainOptions &options,
                    llvm::raw_ostream &os);

} // namespace heddle

#endif // HEDDLE_DRIVER_EXPLAIN_H
