//===- Bpe.h - Byte-pair encoding ------------------------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_BPE_H
#define HEDDLE_RUNTIME_APP_BPE_H

#include "AddedTokens.h"
#include "ChatTemplate.h"
#include "PreTokenizer.h"
#include "TokenizerSection.h"
#include "heddle/runtime/Failure.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace heddle::rt {

/// The first index of each text of a list.
class StringIndex {
public:
  /// At most `most` indices of `strings` are added; the list outlives this.
  StringIndex(const Strings &strings, size_t most);
  void add(int32_t id);
  /// -1 if none.
  int32_t find(std::string_view text) const;

private:
  struct Slot {
    uint32_t tag = 0; // of the hash
    int32_t id = -1;
  };
  Slot *find(std::string_view text, uint64_t hash);
  const Strings *strings;
  std::vector<Slot> slots; // a power of two, never full
};

/// The tokenizer of a program: byte-level BPE, or SentencePiece's BPE on
/// characters.
class Bpe {
public:
  /// Reads the tokenizer section (docs/program-format.md) of a model with
  /// `vocab` logits; throws Failure (malformed, unsupported) naming the field.
  Bpe(const std::string &json, int64_t vocab);
  Bpe(const Bpe &) = delete;
  Bpe &operator=(const Bpe &) = delete;

  /// Ids of `text`, in time O(n log n). Invalid UTF-8 becomes U+FFFD.
  /// User-defined tokens match anywhere in the text; control tokens only with
  /// `special`.
  std::vector<int32_t> encode(std::string_view text, bool special);

  /// Ids of a rendered conversation (valid UTF-8): control tokens, and what
  /// tokens the template names, match only the template's own bytes.
  std::vector<int32_t> encodeChat(const Text &text);

  /// Bytes that the last encode() left out: the vocabulary cannot write them.
  size_t droppedBytes() const { return dropped; }

  /// The bytes that token `id` stands for; empty for ids without text.
  std::string_view bytes(int32_t id) const;
  bool isControl(int32_t id) const;
  /// Whether a text's ids begin with a space that is not in the text.
  bool addsSpace() const { return prefix != Prefix::Never; }

  std::optional<int32_t> bos;
  bool addBos = false;
  /// Throws as TokenizerSection::chat() does; none if there is none.
  const ChatTemplate *chat() const;

private:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };
  class MergeTable {
  public:
    void reserve(size_t most);
    void add(int32_t left, int32_t right, const Merge &merge);
    const Merge *find(int32_t left, int32_t right) const;

  private:
    static constexpr uint64_t kNone = UINT64_MAX;
    struct Slot {
      uint64_t key; // left << 32 | right
      Merge merge;
    };
    static uint64_t keyOf(int32_t left, int32_t right) {
      return uint64_t(left) << 32 | uint32_t(right);
    }
    // The slot that holds `key`, or the free one where it belongs.
    size_t place(uint64_t key) const;
    std::vector<Slot> slots; // a power of two, never full
  };
  enum class Prefix { Never, First, Always };
  struct Symbol {
    int32_t id; // -1 once merged into its left neighbour
    int32_t prev, next;
  };
  void readOptions(const TokenizerSection &section);
  void readMerges(TokenizerSection &section);
  void buildTexts(const Strings &tokens);
  void buildAdded(const Strings &tokens, TokenizerSection &section);
  Text normalize(const Text &text) const;
  std::vector<int32_t> encodeText(const Text &text,
                                  AddedTokens::Control control);
  // `first`: the stretch begins the text.
  void encodeRaw(const Text &text, AddedTokens::Control control, bool first,
                 std::vector<int32_t> &ids);
  void encodePlain(std::string_view text, bool first,
                   std::vector<int32_t> &ids);
  void encodeSpaced(std::string_view text, std::vector<int32_t> &ids);
  void encodePiece(std::string_view piece, std::vector<int32_t> &ids);
  void addBytes(std::string_view piece);
  void addCharacters(std::string_view piece);
  void addSymbol(int32_t id);
  void mergeSymbols();

  bool byteLevel = true;
  std::unique_ptr<PreTokenizer> pre;
  std::unique_ptr<ChatTemplate> chatTemplate;
  std::optional<Failure> chatFailure;
  bool nfc = false, nfkc = false, ignoreMerges = false;
  Prefix prefix = Prefix::Never;
  bool prefixIfAbsent = false, splitSpaces = false;
  bool byteFallback = false, fuseUnknown = false;
  // No merge joins a space to what stands before it, so that such a place may
  // be cut at.
  bool spacesBegin = false;
  std::optional<int32_t> unknown;

  Strings texts;                     // bytes by id
  std::vector<uint8_t> types;        // GGUF token types by id
  std::unique_ptr<StringIndex> idOf; // of ordinary tokens' texts; may be null
  MergeTable merges;
  // Added tokens of raw and of normalized text.
  std::unique_ptr<AddedTokens> added, addedNormalized;
  int32_t byteIds[256];        // the token of one byte, or -1
  std::vector<Symbol> symbols; // of the piece at hand
  size_t dropped = 0;
};

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
