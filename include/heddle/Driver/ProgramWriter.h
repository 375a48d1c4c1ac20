//===- ProgramWriter.h - ELF, manifest, tokenizer and weights ---*- C++ -*-===//
//
// Writes the file of docs/program-format.md.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_DRIVER_PROGRAMWRITER_H
#define HEDDLE_DRIVER_PROGRAMWRITER_H

#include "heddle/Driver/Packer.h"
#include "llvm/Support/JSON.h"
#include <optional>

namespace heddle {

/// One parameter: its packed size, and what produces exactly that many bytes.
struct WeightJob {
  std::string name;
  int64_t bytes;
  std::function<llvm::Error(const ByteSink &)> write;
};

struct ProgramParts {
  std::string elfPath;
  llvm::json::Value manifest = nullptr;
  std::optional<llvm::json::Value> tokenizer;
  std::vector<WeightJob> weights;
};

/// Offsets of the parameters within the weights, multiples of 64; returns their
/// size.
int64_t layoutWeights(llvm::ArrayRef<WeightJob> jobs,
                      std::vector<int64_t> &offsets);

/// Writes the program beside `output` and renames it: a failure leaves nothing.
llvm::Error writeProgram(ProgramParts parts, llvm::StringRef output,
                         bool externalWeights);

} // namespace heddle

#endif // HEDDLE_DRIVER_PROGRAMWRITER_H
