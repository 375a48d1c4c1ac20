//===- TokenizerData.cpp - The tokenizer section of a program -------------===//
#include "heddle/Driver/TokenizerData.h"
#include "heddle/Import/SpanReader.h"
#include "heddle/Import/Tokenizer.h"
#include "llvm/Support/FileSystem.h"

using namespace heddle;

llvm::Expected<std::optional<llvm::json::Value>>
heddle::tokenizerData(const import::ModelSource &source, int64_t vocab) {
  auto tokenizer = llvm::sys::fs::is_directory(source.path)
                       ? import::readTokenizerJson(source.path, vocab)
                       : import::readGGUFTokenizer(source);
  if (!tokenizer)
    return tokenizer.takeError();
  if (*tokenizer && int64_t((*tokenizer)->tokens.size()) > vocab)
    return import::malformed(
        source.path, "tokens", llvm::Twine((*tokenizer)->tokens.size()),
        llvm::Twine(vocab) + ", the rows of the embedding table");
  return *tokenizer ? std::optional((*tokenizer)->section()) : std::nullopt;
}
