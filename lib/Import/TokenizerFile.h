//===- TokenizerFile.h - The text of a tokenizer.json -----------*- C++ -*-===//
#ifndef HEDDLE_LIB_IMPORT_TOKENIZERFILE_H
#define HEDDLE_LIB_IMPORT_TOKENIZERFILE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace heddle::import {

/// A tokenizer.json, its two long lists apart from the rest.
struct TokenizerFile {
  std::string path;
  std::vector<std::pair<std::string, int64_t>>
      vocab; // model.vocab, if an object
  std::vector<std::pair<std::string, std::string>> merges; // model.merges
  nlohmann::json fields;                                   // everything else
};

/// Reads a JSON object of unique keys. Errors: InputOutput; Malformed; Limit
/// for one that is nested more than 64 deep or of more than 256 MiB.
llvm::Expected<TokenizerFile> readTokenizerFile(llvm::StringRef path);

} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_TOKENIZERFILE_H
