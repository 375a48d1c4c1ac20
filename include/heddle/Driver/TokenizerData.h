//===- TokenizerData.h - The tokenizer section of a program -----*- C++ -*-===//
#ifndef HEDDLE_DRIVER_TOKENIZERDATA_H
#define HEDDLE_DRIVER_TOKENIZERDATA_H

#include "heddle/Import/ModelSource.h"
#include "llvm/Support/JSON.h"

namespace heddle {
/// The tokenizer of a checkpoint of `vocab` tokens as docs/program-format.md
/// has it; none if it has none. Errors: those of Import/Tokenizer.h.
llvm::Expected<std::optional<llvm::json::Value>>
tokenizerData(const import::ModelSource &source, int64_t vocab);
} // namespace heddle

#endif // HEDDLE_DRIVER_TOKENIZERDATA_H
