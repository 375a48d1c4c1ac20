//===- TokenIndex.h - Tokens by text, and merges by id ----------*- C++ -*-===//
#ifndef HEDDLE_LIB_IMPORT_TOKENINDEX_H
#define HEDDLE_LIB_IMPORT_TOKENINDEX_H

#include "heddle/Import/Tokenizer.h"
#include "llvm/ADT/StringMap.h"

namespace heddle::import {

/// Ids of a tokenizer's tokens; of several with one text, the first.
class TokenIndex {
public:
  explicit TokenIndex(const std::vector<std::string> &tokens);
  std::optional<int64_t> find(llvm::StringRef text) const;

  /// The merge of two tokens. Errors: Malformed, naming `field`, unless both
  /// and what they make are tokens.
  llvm::Expected<Tokenizer::Merge>
  merge(llvm::StringRef file, const llvm::Twine &field, llvm::StringRef left,
        llvm::StringRef right, int64_t rank) const;

private:
  llvm::StringMap<int64_t> ids;
};

} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_TOKENINDEX_H
