//===- Compile.h - From a checkpoint to a program ---------------*- C++ -*-===//
#ifndef HEDDLE_DRIVER_COMPILE_H
#define HEDDLE_DRIVER_COMPILE_H

#include "heddle/Driver/Explain.h"
#include "heddle/Driver/TokenizerData.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace heddle {

struct CompileOptions {
  std::string model;
  std::string output;
  /// Given only if the user said so: a continued dump keeps its own.
  std::optional<std::string> target, numeric;
  std::optional<int64_t> context;
  std::string weightsFrom;
  /// A file of PROG profile, which says where experts lie; "" = none.
  std::string profile;
  std::string dumpIR;
  std::string emit = "program"; // program, object, asm
  bool externalWeights = false, quiet = false;
  ChatChoice chat;
  /// In place of the phases up to target; "" = the phases.
  std::string pipeline;
  /// Threads of the compiler; 0 = one per core.
  unsigned jobs = 0;
  /// PASS.OPTION=VALUE
  std::vector<std::string> passOptions;
};

/// Compiles; on failure no output file is left.
llvm::Error compile(const CompileOptions &options);

/// Runs the phases up to schedule and prints what became of each kernel.
llvm::Error explain(const CompileOptions &options, const ExplainOptions &how);

/// Imports a model and prints the graph to `output` ("" or "-" = standard
/// output).
llvm::Error importToFile(llvm::StringRef model, llvm::StringRef output);

} // namespace heddle

#endif // HEDDLE_DRIVER_COMPILE_H
