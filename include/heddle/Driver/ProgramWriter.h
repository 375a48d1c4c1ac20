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

/// Where an expert begins: what a file is read by past the system's cache.
constexpr int64_t kExpertAlignment = 4096;

/// One parameter, or one expert's matrix of it: its packed size, and what
/// produces exactly that many bytes. Those from the first with
/// kExpertAlignment on are experts', which each begin so.
struct WeightJob {
  std::string name;
  int64_t bytes;
  std::function<llvm::Error(const ByteSink &)> write;
  int64_t alignment = 64;
};

struct ProgramParts {
  std::string elfPath;
  llvm::json::Value manifest = nullptr;
  std::optional<llvm::json::Value> tokenizer;
  std::vector<WeightJob> weights;
};

/// Offsets of the jobs within the weights, and where experts are, of what
/// follows them: hashes, of all before the experts and of each expert.
struct WeightLayout {
  std::vector<int64_t> offsets;
  int64_t index = -1; // no experts: -1
  int64_t bytes = 0;
};
WeightLayout layoutWeights(llvm::ArrayRef<WeightJob> jobs);

/// Writes the program beside `output` and renames it: a failure leaves nothing.
llvm::Error writeProgram(ProgramParts parts, llvm::StringRef output,
                         bool externalWeights);

} // namespace heddle

#endif // HEDDLE_DRIVER_PROGRAMWRITER_H
