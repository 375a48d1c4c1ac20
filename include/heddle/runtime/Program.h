//===- Program.h - The parts of a compiled program's file ------*- C++ -*-===//
//
// Opens the running executable, checks its trailer and hands out what lies
// behind the ELF image: manifest, tokenizer and weights
// (docs/program-format.md).
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_RUNTIME_PROGRAM_H
#define HEDDLE_RUNTIME_PROGRAM_H

#include "heddle/runtime/ThreadTeam.h"
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace heddle::rt {

struct ParamEntry {
  std::string name;
  uint64_t offset; // bytes from the start of the weights, a multiple of 64
  uint64_t bytes;
};

struct CacheEntry {
  std::string name;
  uint64_t bytesPerPosition;
  uint64_t positionMultiple;
};

/// A kernel as `heddle explain` lists it; a step runs it `times`.
struct KernelEntry {
  std::string step, name, instruction;
  uint64_t times;
  /// Each time: for a token, and for a token and a position before it.
  uint64_t operations, positionOperations;
  /// Tokens are only those whose logits are wanted.
  bool selectedRows;
};

/// How a token is drawn from logits, as far as something says so:
/// app/Sampler.h has the ranges.
struct Sampling {
  std::optional<double> temperature, topP, minP;
  std::optional<int64_t> topK;
};

/// The manifest, checked: sizes are positive and fit their ranges.
struct Manifest {
  std::string heddleVersion, name, family, sourceHash, sourceFile, numeric;
  std::string target, weightsFile;
  int64_t vocab = 0, layers = 0, hidden = 0, parameters = 0;
  int64_t context = 0;      // positions the program was compiled for
  int64_t modelContext = 0; // positions the model was trained for
  uint64_t arenaBytes = 0;
  int64_t batchTokens = 0, prefillTokens = 0;
  std::map<std::string, uint64_t> bytesByEncoding;
  std::vector<ParamEntry> params;
  std::vector<CacheEntry> caches;
  std::vector<KernelEntry> kernels; // none in a program that lists none
  std::vector<std::string> levels, licenses;
  Sampling sampling;               // of `generate`, by default
  std::vector<int32_t> stopTokens; // each below `vocab`
};

/// Reads a manifest; throws Failure (malformed, unsupported) naming the field.
/// `weightsBytes` bounds the parameters.
Manifest parseManifest(const std::string &text, uint64_t weightsBytes);

class Buffer;
struct MemoryPlan;

/// The file of the running program. Closed and unmapped at destruction.
class Program {
public:
  /// Opens and checks; throws Failure(Changed) if the file was truncated or
  /// edited. Weights are not read here.
  Program();
  ~Program();
  Program(const Program &) = delete;
  Program &operator=(const Program &) = delete;

  const Manifest &manifest() const { return manifestData; }
  /// Path as the user would recognise it, for messages.
  const std::string &path() const { return filePath; }
  bool hasTokenizer() const { return tokenizerBytes != 0; }
  uint64_t tokenizerSize() const { return tokenizerBytes; }
  /// The tokenizer section, checked against its hash.
  std::string readTokenizer() const;
  uint64_t weightsSize() const { return weightsBytes; }
  uint64_t fileSize() const { return fileBytes; }
  /// Copies the weights into memory of this process, or maps their file, as
  /// `plan` says, and compares their hash, with all threads of `team`. Throws
  /// Failure(Changed, InputOutput). Call once.
  void loadWeights(const MemoryPlan &plan, ThreadTeam &team);
  /// (weightsSize(),) bytes once loaded, else null.
  const uint8_t *weights() const { return weightsData; }
  /// Compares the hash without keeping the weights; throws like loadWeights().
  void verifyWeights(ThreadTeam &team);

private:
  std::string readRange(uint64_t offset, uint64_t bytes) const;
  [[noreturn]] void changed(const std::string &what) const;
  void openExternalWeights();
  void readWeights(ThreadTeam &team, uint8_t *into, bool mapped, bool release);

  std::string filePath;
  int file = -1, weightsFd = -1;
  uint64_t fileBytes = 0;
  uint64_t tokenizerOffset = 0, tokenizerBytes = 0, tokenizerHash = 0;
  uint64_t weightsOffset = 0, weightsBytes = 0, weightsHash = 0;
  std::string weightsPath; // of the file that weightsFd reads
  const uint8_t *weightsData = nullptr;
  std::unique_ptr<Buffer> weightsCopy; // null where they are mapped
  Manifest manifestData;
};

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_PROGRAM_H
