//===- ModelSource.h - A checkpoint, opened and checked ---------*- C++ -*-===//
//
// What every importer (GGUF, safetensors) hands to a model family:
// typed metadata and a table of tensors whose extents were checked against the
// file. Nothing here reads weights into memory: `TensorEntry::bytes` points
// into a read-only mapping.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_IMPORT_MODELSOURCE_H
#define HEDDLE_IMPORT_MODELSOURCE_H

#include "heddle/Support/Error.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace heddle::import {

/// One stored tensor. `shape` is logical, outermost first (GGUF's dims
/// reversed), so a linear weight is [out, in].
struct TensorEntry {
  std::string name;
  std::vector<int64_t> shape;
  /// Name of the source encoding, as registered ("q4_1", "f32", "bf16", …).
  std::string encoding;
  /// The stored bytes, row after row, in the source's block format.
  llvm::ArrayRef<uint8_t> bytes;
  /// Where the scales of blocks are stored apart from their codes, a byte each:
  /// `bytes` then are the codes of MXFP4 as a Hugging Face directory of gpt-oss
  /// has them (BlockScales.h).
  llvm::ArrayRef<uint8_t> scales;
  int64_t numElements() const {
    int64_t n = 1;
    for (int64_t d : shape)
      n *= d;
    return n;
  }
};

/// A metadata value. Integers of every width and sign fit int64 or uint64; a
/// monostate is JSON's null.
using MetaValue = std::variant<bool, int64_t, uint64_t, double, std::string,
                               std::vector<int64_t>, std::vector<double>,
                               std::vector<std::string>, std::monostate>;

/// What a checkpoint says of generating: generation_config.json of a directory
/// (https://huggingface.co/docs/transformers/main_classes/text_generation), the
/// keys `general.sampling.` of a GGUF file.
struct GenerationDefaults {
  /// The file that names each, for messages.
  std::string file, endTokensFile;
  /// Each once, below 2^31, and few.
  std::vector<int64_t> endTokens;
  /// In [0, 1e6], where 0 is greedy; in [0, 1]; in [0, 1]. Absent: not said.
  std::optional<double> temperature, topP, minP;
  /// In [0, 2^31), where 0 is all.
  std::optional<int64_t> topK;
  /// `field = value` of what a program does not honour.
  std::vector<std::string> ignored;
};

/// An opened checkpoint. Owns the mappings that the tensors point into.
class ModelSource {
public:
  virtual ~ModelSource();

  /// File or directory as the user gave it, for messages.
  std::string path;
  /// The file that the metadata are from; `path` if empty.
  std::string metadataPath;
  /// Name of the format's importer ("gguf", "huggingface"), which decides on
  /// the names of tensors and keys.
  std::string format;
  /// Whether metadata do not tell an integer from a number, as in JSON.
  bool untypedNumbers = false;
  /// Key → value in file order; duplicate keys were refused.
  std::vector<std::pair<std::string, MetaValue>> metadata;
  /// In file order; duplicate names were refused.
  std::vector<TensorEntry> tensors;

  GenerationDefaults generation;
  /// Malformed if an end token is not below `vocab`.
  llvm::Error checkEndTokens(int64_t vocab) const;

  const TensorEntry *find(llvm::StringRef name) const;
  llvm::StringRef metadataFile() const {
    return metadataPath.empty() ? path : metadataPath;
  }
  const MetaValue *findMeta(llvm::StringRef key) const;
  /// The value of `key` as messages have it.
  std::string shown(llvm::StringRef key) const;

  // Typed getters. The first form errors (Malformed, naming file, key, value
  // and limit) if the key is absent or its type or range does not fit; the
  // second returns `fallback` if absent, and still errors on a bad value.
  llvm::Expected<int64_t> getInt(llvm::StringRef key, int64_t min,
                                 int64_t max) const;
  llvm::Expected<int64_t> getInt(llvm::StringRef key, int64_t min, int64_t max,
                                 int64_t fallback) const;
  llvm::Expected<double> getFloat(llvm::StringRef key, double min,
                                  double max) const;
  llvm::Expected<double> getFloat(llvm::StringRef key, double min, double max,
                                  double fallback) const;
  llvm::Expected<std::string> getString(llvm::StringRef key) const;
  llvm::Expected<std::string> getString(llvm::StringRef key,
                                        std::string fallback) const;
  llvm::Expected<bool> getBool(llvm::StringRef key, bool fallback) const;
  /// A list of strings; an empty one if absent.
  llvm::Expected<std::vector<std::string>>
  getStrings(llvm::StringRef key) const;

  /// Builds names → index; call once after `tensors` and `metadata` are final.
  void index();

private:
  llvm::StringMap<size_t> tensorIndex, metaIndex;
};

/// Whether a path ends in .gguf or names a file that starts with GGUF.
bool claimsGGUF(llvm::StringRef path);
/// Opens a GGUF v3 file; the first part of a split set opens them all.
llvm::Expected<std::unique_ptr<ModelSource>> openGGUF(llvm::StringRef path);

} // namespace heddle::import

#endif // HEDDLE_IMPORT_MODELSOURCE_H
