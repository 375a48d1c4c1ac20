//===- TokenizerFile.h - The text of a tokenizer.json -----------*- C++ -*-===//
#ifndef HEDDLE_LIB_IMPORT_TOKENIZERFILE_H
#define HEDDLE_LIB_IMPORT_TOKENIZERFILE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <nlohmann/json.hpp>
#include <optional>
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

/// Reads a JSON object of unique keys from a file of a checkpoint's directory;
/// nothing if there is none. Errors: those of openModelFile; Malformed; Limit
/// for one that is nested more than 64 deep or of more than 256 MiB.
llvm::Expected<std::optional<TokenizerFile>>
readTokenizerFile(llvm::StringRef directory, llvm::StringRef name);

} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_TOKENIZERFILE_H
