//===- Tokenizer.h - The tokenizer of a checkpoint --------------*- C++ -*-===//
//
// Byte-pair tokenizers in flat tables, from a GGUF file's metadata or from a
// Hugging Face tokenizer.json. docs/program-format.md has what a program keeps.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_IMPORT_TOKENIZER_H
#define HEDDLE_IMPORT_TOKENIZER_H

#include "heddle/Import/ModelSource.h"
#include "llvm/Support/JSON.h"

namespace heddle::import {

/// What a token is for; the numbers are GGUF's.
enum class TokenType : uint8_t {
  Undefined,
  Normal,
  Unknown,
  Control,
  UserDefined,
  Unused,
  Byte
};

struct Tokenizer {
  /// GGUF's name of the kind: "gpt2" is byte-level BPE, "llama" is
  /// SentencePiece BPE (tokens of characters, U+2581 for a space). Programs
  /// refuse text for others.
  std::string model;
  /// By id; "" where an id has no token. Byte-level tokens are in GPT-2's
  /// alphabet.
  std::vector<std::string> tokens;
  std::vector<TokenType> types;
  /// How an added (control or user-defined) token matches, where it is not
  /// plainly.
  struct Matching {
    int64_t id;
    bool lstrip, rstrip; // takes the white space before, after it
    bool normalized;     // matches normalized text
  };
  std::vector<Matching> matching;
  /// `left` followed by `right` is `merged`; a lower rank goes first.
  struct Merge {
    int64_t left, right, merged, rank;
  };
  std::vector<Merge> merges;
  /// Stages of the pre-tokenizer, by the runtime's names (PreTokenizers.h).
  std::vector<std::string> pre;
  /// A piece that is a token by itself skips the merges.
  bool ignoreMerges = false;
  /// Text is brought to Unicode's form C, or KC.
  bool nfc = false, nfkc = false;
  /// Where SentencePiece puts a space before text: before every stretch between
  /// added tokens, before one that begins the text, or nowhere.
  enum class Prefix { Never, First, Always } prefix = Prefix::Never;
  /// Not before text that begins with a space.
  bool prefixIfAbsent = false;
  /// Every space begins a new piece.
  bool splitSpaces = false;
  /// Characters without a token become <0xNN> tokens; without them, `unknown`.
  bool byteFallback = false;
  bool fuseUnknown = false;
  std::optional<int64_t> bos, unknown, padding;
  std::vector<int64_t> eos;
  bool addBos = false, addEos = false;
  std::string chatTemplate;
  /// Where the template is from, a file and a field.
  std::string chatSource;

  /// The section of a program, as docs/program-format.md has it, but for what
  /// it has about chats (ChatTemplate.h).
  llvm::json::Value section() const;
};

/// The tokenizer in a GGUF file's metadata; none if it has no tokens.
/// Errors: Malformed, naming the file and the key.
llvm::Expected<std::optional<Tokenizer>>
readGGUFTokenizer(const ModelSource &source);

/// The tokenizer of a Hugging Face directory: `tokenizer.json`, as the package
/// `tokenizers` writes it, with the tokens that `tokenizer_config.json`, if
/// there, names, and its chat template or that of `chat_template.jinja`. None
/// if there is no tokenizer.json. Every id is below `vocab`, the rows of the
/// embedding. Errors: Malformed; Unsupported, with all that is; Limit.
llvm::Expected<std::optional<Tokenizer>>
readTokenizerJson(llvm::StringRef directory, int64_t vocab);

} // namespace heddle::import

#endif // HEDDLE_IMPORT_TOKENIZER_H
