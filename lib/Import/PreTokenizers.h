//===- PreTokenizers.h - Published patterns by name -------------*- C++ -*-===//
#ifndef HEDDLE_LIB_IMPORT_PRETOKENIZERS_H
#define HEDDLE_LIB_IMPORT_PRETOKENIZERS_H

#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>
#include <vector>

namespace heddle::import {

/// A splitting pattern that is known to be linear, as tokenizer.json has it,
/// and the name of the stage that the runtime has for it.
struct KnownPattern {
  const char *regex, *stage;
  bool covers; // every character is in a match
};
const KnownPattern *findPattern(llvm::StringRef regex);

/// What a GGUF file's `tokenizer.ggml.pre` stands for.
struct KnownPre {
  const char *name;
  std::vector<std::string> stages;
  bool ignoreMerges = false, addBos = false;
};
const KnownPre *findPre(llvm::StringRef name);

} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_PRETOKENIZERS_H
