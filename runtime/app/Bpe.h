//===- Bpe.h - Byte-level byte-pair encoding -------------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_BPE_H
#define HEDDLE_RUNTIME_APP_BPE_H

#include "PreTokenizer.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace heddle::rt {

/// The tokenizer of a program.
class Bpe {
public:
  /// Reads the tokenizer section (docs/program-format.md) of a model with
  /// `vocab` logits; throws Failure (malformed, unsupported) naming the field.
  Bpe(const std::string &json, int64_t vocab);

  /// Ids of `text`. Invalid UTF-8 becomes U+FFFD. User-defined tokens match
  /// anywhere in the text; control tokens only with `special`.
  std::vector<int32_t> encode(std::string_view text, bool special);

  /// Bytes that the last encode() left out: the vocabulary cannot write them.
  size_t droppedBytes() const { return dropped; }

  /// The bytes that token `id` stands for; empty for ids without text.
  std::string_view bytes(int32_t id) const;
  bool isControl(int32_t id) const;

  std::optional<int32_t> bos;
  std::vector<int32_t> eos;
  bool addBos = false, addEos = false;
  bool hasChatTemplate = false;

private:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };
  void buildTexts(const std::vector<std::string> &tokens);
  void encodePlain(std::string_view text, std::vector<int32_t> &ids);
  void encodePiece(std::string_view piece, std::vector<int32_t> &ids);
  // The added token that starts at `at`, longest first; -1 if none.
  int32_t addedAt(std::string_view text, size_t at, bool special) const;

  std::unique_ptr<PreTokenizer> pre;
  std::vector<std::string> texts;                     // bytes by id
  std::vector<uint8_t> types;                         // GGUF token types by id
  std::unordered_map<std::string_view, int32_t> idOf; // ordinary tokens
  std::unordered_map<uint64_t, Merge> merges;         // by left << 32 | right
  std::vector<int32_t> addedByByte[256];
  int32_t byteIds[256];
  size_t dropped = 0;
};

/// The ids that end a text, of a tokenizer section whatever its kind; throws
/// Failure (malformed) naming the field.
std::vector<int32_t> readEndTokens(const std::string &json, int64_t vocab);

/// The text of a stream of tokens: holds back an unfinished character.
class TextStream {
public:
  /// Adds bytes; returns the complete, valid UTF-8 that is ready.
  std::string add(std::string_view bytes);
  /// What is left, with U+FFFD for the unfinished character.
  std::string finish();

private:
  std::string pending;
};

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_BPE_H
