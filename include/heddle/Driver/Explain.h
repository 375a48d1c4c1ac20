//===- Explain.h - What became of each kernel -------------------*- C++ -*-===//
#ifndef HEDDLE_DRIVER_EXPLAIN_H
#define HEDDLE_DRIVER_EXPLAIN_H

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <map>
#include <string>
#include <vector>

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

/// One step, timed by `PROG bench --kernels`.
struct MeasuredStep {
  /// As kernels name it; tokens, microseconds, and the bandwidth around it.
  std::string step;
  int64_t tokens = 0;
  double us = 0, dramGBs = 0;
};

struct Measured {
  std::vector<MeasuredStep> steps;
  /// Microseconds of all runs in its step, by the kernel's index.
  std::map<size_t, double> kernels;
};

/// Prints, for each kernel of each step: the ops in it, its emitter,
/// instruction and schedule, how often a step runs it, bytes and operations,
/// and for decode the time that the limits allow; if `measured`, for the
/// kernels of its steps also the time taken and the share of the limits that
/// this is. `kernels` are those of
/// `heddle.kernels` or of a program's manifest. Errors: Malformed if one is no
/// object.
llvm::Error explainKernels(const llvm::json::Array &kernels,
                           const ExplainOptions &options, llvm::raw_ostream &os,
                           const Measured *measured = nullptr);

/// explainKernels() of a compiled program. With `measure` it runs it, on as
/// many threads as it says (0: its own default), and takes the limits from
/// there. Errors: those of readManifest() and of the program.
llvm::Error explainProgram(llvm::StringRef program, ExplainOptions options,
                           bool measure = false, int64_t threads = 0);

} // namespace heddle

#endif // HEDDLE_DRIVER_EXPLAIN_H
