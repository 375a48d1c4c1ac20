//===- Explain.h - What became of each kernel -------------------*- C++ -*-===//
#ifndef HEDDLE_DRIVER_EXPLAIN_H
#define HEDDLE_DRIVER_EXPLAIN_H

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <map>
#include <string>

namespace heddle {

struct ExplainOptions {
  bool json = false;
  /// The machine's limits, as PROG bench probes them; 0 = not given, nothing is
  /// predicted. `gops` is that of instructions that `dots` does not name.
  double dramGBs = 0, gops = 0;
  std::map<std::string, double> dots;
  /// Positions before the token, for what a prediction reads of the caches.
  int64_t depth = 0;
};

/// Prints, for each kernel of each step: the ops in it, its emitter,
/// instruction and schedule, how often a step runs it, bytes and operations,
/// and for decode the time that the limits allow. `kernels` are those of
/// `heddle.kernels` or of a program's manifest. Errors: Malformed if one is no
/// object.
llvm::Error explainKernels(const llvm::json::Array &kernels,
                           const ExplainOptions &options,
                           llvm::raw_ostream &os);

/// explainKernels() of a compiled program.
llvm::Error explainProgram(llvm::StringRef program,
                           const ExplainOptions &options);

} // namespace heddle

#endif // HEDDLE_DRIVER_EXPLAIN_H
