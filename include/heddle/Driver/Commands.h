//===- Commands.h - Subcommands of the tool ---------------------*- C++ -*-===//
#ifndef HEDDLE_DRIVER_COMMANDS_H
#define HEDDLE_DRIVER_COMMANDS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>

namespace heddle {

/// Runs a checkpoint, or a module before the specialize phase with the
/// checkpoint `weightsFrom`, in the f64 interpreter and prints the `n` token
/// ids that follow `tokens` greedily (the first of equal maxima, on past end of
/// text), separated by commas, on standard output. With `outNpy`, writes the
/// logits of every position of `tokens` there, float64 [tokens, vocabulary].
/// Errors: those of openModel, importModel and readModule; Limit, for a token
/// outside the vocabulary or a text longer than the context; InputOutput.
llvm::Error runReference(llvm::StringRef model, llvm::ArrayRef<int32_t> tokens,
                         int64_t n, llvm::StringRef outNpy = "",
                         llvm::StringRef weightsFrom = "");

/// Compiles a model into the cache, unless it is there, and becomes the program
/// with `arguments` (ended by null). Without a cache that can be written to, it
/// runs from a file of no name, and a warning says so. Errors: those of
/// compile; InputOutput.
llvm::Error runProgram(const std::string &model, char **arguments);

} // namespace heddle

#endif // HEDDLE_DRIVER_COMMANDS_H
