//===- TokenizerData.h - The tokenizer section of a program -----*- C++ -*-===//
#ifndef HEDDLE_DRIVER_TOKENIZERDATA_H
#define HEDDLE_DRIVER_TOKENIZERDATA_H

#include "heddle/Import/ModelSource.h"
#include "llvm/Support/JSON.h"

namespace heddle {
/// The tokenizer of a checkpoint as docs/program-format.md has it; none if the file has
/// no tokens. Errors: Malformed for an id outside the vocabulary.
llvm::Expected<std::optional<llvm::json::Value>> tokenizerData(const import::ModelSource &source);
} // namespace heddle

#endif // HEDDLE_DRIVER_TOKENIZERDATA_H
