//===- TokenizerData.cpp - The tokenizer section of a program -------------===//
#include "heddle/Driver/TokenizerData.h"
#include "heddle/ChatTemplate/ChatTemplate.h"
#include "heddle/Import/SpanReader.h"
#include "heddle/Import/Tokenizer.h"
#include "heddle/Support/MappedFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"

using namespace heddle;

std::vector<int64_t> heddle::stopTokens(const import::Tokenizer &tokenizer,
                                        std::optional<int64_t> endOfTurn) {
  std::vector<int64_t> ids;
  auto add = [&](int64_t id) {
    if (!llvm::is_contained(ids, id))
      ids.push_back(id);
  };
  for (int64_t id : tokenizer.eos)
    add(id);
  if (endOfTurn)
    add(*endOfTurn);
  return ids;
}

llvm::Expected<llvm::json::Value>
heddle::tokenizerSection(const import::Tokenizer &tokenizer) {
  llvm::json::Value section = tokenizer.section();
  llvm::json::Object &fields = *section.getAsObject();
  std::optional<int64_t> endOfTurn;
  if (llvm::Error error = chat::addChatFields(tokenizer, fields, endOfTurn))
    return std::move(error);
  fields["eos"] = llvm::json::Array(stopTokens(tokenizer, endOfTurn));
  return section;
}

llvm::Expected<std::optional<llvm::json::Value>>
heddle::tokenizerData(const import::ModelSource &source, int64_t vocab,
                      const ChatChoice &chat) {
  auto tokenizer = llvm::sys::fs::is_directory(source.path)
                       ? import::readTokenizerJson(source.path, vocab)
                       : import::readGGUFTokenizer(source);
  if (!tokenizer)
    return tokenizer.takeError();
  if (!*tokenizer)
    return std::nullopt;
  if (int64_t((*tokenizer)->tokens.size()) > vocab)
    return import::malformed(
        source.path, "tokens", llvm::Twine((*tokenizer)->tokens.size()),
        llvm::Twine(vocab) + ", the rows of the embedding table");
  if (chat.none)
    (*tokenizer)->chatTemplate.clear();
  if (!chat.file.empty()) {
    auto file = MappedFile::open(chat.file);
    if (!file)
      return file.takeError();
    (*tokenizer)->chatTemplate = llvm::toStringRef(file->bytes()).str();
    (*tokenizer)->chatSource = chat.file;
  }
  auto section = tokenizerSection(**tokenizer);
  if (!section)
    return section.takeError();
  return std::optional(std::move(*section));
}
