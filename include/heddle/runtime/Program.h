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

/// Of a matrix of experts (`group` is not -1), offset and bytes are those
/// within each expert's piece.
struct ParamEntry {
  std::string name;
  uint64_t offset; // bytes from the start of the weights, a multiple of 64
  uint64_t bytes;
  int64_t group = -1;
};

/// The experts of a layer: `order.size()` pieces of `stride` bytes each from
/// `offset` of the weights on, both multiples of 4096.
struct ExpertGroup {
  std::vector<int64_t> params;
  uint64_t offset, stride;
  std::vector<int32_t> order; // the expert at each place
  std::vector<int64_t> uses;  // of each expert, by a profile; none without
};

struct CacheEntry {
  std::string name;
  uint64_t bytesPerPosition;
  uint64_t positionMultiple;
  bool ofStep; // what a step writes and reads itself
};

/// A kernel as `heddle explain` lists it; a step runs it `times`.
struct KernelEntry {
  std::string step, name, instruction;
  uint64_t times;
  /// Each time: for a token, and for a token and a position before it.
  uint64_t operations, positionOperations;
  /// Each time: of weights, those of chosen experts only where it is for one
  /// token; and of caches, for a position.
  uint64_t weightBytes, positionBytes;
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
  bool takesSequences = false; // tokens of a step may be of several
  std::map<std::string, uint64_t> bytesByEncoding;
  std::vector<ParamEntry> params;
  std::vector<ExpertGroup> expertGroups;
  uint64_t expertIndex = 0; // offset of the hashes in the weights
  uint64_t denseBytes = 0;  // of the weights, before all experts
  std::vector<CacheEntry> caches;
  std::vector<KernelEntry> kernels; // none in a program that lists none
  std::vector<std::string> levels, licenses;
  Sampling sampling;               // of `generate`, by default
  std::vector<int32_t> stopTokens; // each below `vocab`

  /// Of the largest expert; 0 without experts. How many there are, in all and
  /// in the largest group.
  uint64_t expertBytes() const;
  uint64_t expertCount() const;
  uint64_t mostExperts() const;
};

/// Reads a manifest; throws Failure (malformed, unsupported) naming the field.
/// `weightsBytes` bounds the parameters.
Manifest parseManifest(const std::string &text, uint64_t weightsBytes);

/// Eight bytes of a file, whose order is little-endian.
uint64_t loadLittle64(const char *from);

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
  /// (weightsSize(),) bytes once loaded, or those before the experts where
  /// these stay in the file; else null.
  const uint8_t *weights() const { return weightsData; }
  /// Compares the hash without keeping the weights; throws like loadWeights().
  void verifyWeights(ThreadTeam &team);
  /// The file that the weights are in, open, and where they begin in it.
  int weightsFile() const { return weightsOffset ? file : weightsFd; }
  uint64_t weightsBegin() const { return weightsOffset; }
  /// Hashes: of all before the experts, and of each expert in the file's order.
  std::vector<uint64_t> readExpertIndex() const;
  /// Throws for a read of the weights that failed: Failure(InputOutput) with
  /// an errno, or Failure(Changed) where `error` is 0.
  [[noreturn]] void failedWeights(int error, const std::string &what) const;

private:
  std::string readRange(int fd, uint64_t offset, uint64_t bytes) const;
  [[noreturn]] void changed(const std::string &what) const;
  void openExternalWeights();
  struct Extent {
    uint64_t bytes, hash;
  };
  void readWeights(ThreadTeam &team, Extent extent, uint8_t *into, bool mapped,
                   bool release);

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
