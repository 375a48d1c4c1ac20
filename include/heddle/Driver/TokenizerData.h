//===- TokenizerData.h - The tokenizer section of a program -----*- C++ -*-===//
#ifndef HEDDLE_DRIVER_TOKENIZERDATA_H
#define HEDDLE_DRIVER_TOKENIZERDATA_H

#include "heddle/Import/ModelSource.h"
#include "heddle/Import/Tokenizer.h"
#include "llvm/Support/JSON.h"

namespace heddle {

/// Which chat template a program gets: the checkpoint's, none, or a file's.
struct ChatChoice {
  bool none = false;
  std::string file; // "": the checkpoint's
};

/// The tokenizer of a checkpoint of `vocab` tokens as docs/program-format.md
/// has it; none if it has none. Errors: those of Import/Tokenizer.h and of
/// ChatTemplate/ChatTemplate.h.
llvm::Expected<std::optional<llvm::json::Value>>
tokenizerData(const import::ModelSource &source, int64_t vocab,
              const ChatChoice &chat = {});

/// The section of a tokenizer, with its chat template. Errors: those of
/// ChatTemplate/ChatTemplate.h.
llvm::Expected<llvm::json::Value>
tokenizerSection(const import::Tokenizer &tokenizer);

/// The tokens that end an answer: the union of the tokenizer's end tokens and
/// the template's end of turn, each once.
std::vector<int64_t> stopTokens(const import::Tokenizer &tokenizer,
                                std::optional<int64_t> endOfTurn);

} // namespace heddle

#endif // HEDDLE_DRIVER_TOKENIZERDATA_H
