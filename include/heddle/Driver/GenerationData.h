//===- GenerationData.h - How a program generates by default ----*- C++ -*-===//
#ifndef HEDDLE_DRIVER_GENERATIONDATA_H
#define HEDDLE_DRIVER_GENERATIONDATA_H

#include "heddle/Import/ModelSource.h"
#include "llvm/Support/JSON.h"

namespace heddle {
/// The manifest's "generation" (docs/program-format.md) of a checkpoint of
/// `vocab` tokens whose tokenizer section is `tokenizer`. Says on standard
/// error what the checkpoint asks for and a program does not honour. Errors:
/// Malformed, for an end token that is none of the vocabulary.
llvm::Expected<llvm::json::Value>
generationData(const import::ModelSource &source,
               const std::optional<llvm::json::Value> &tokenizer,
               int64_t vocab);
} // namespace heddle

#endif // HEDDLE_DRIVER_GENERATIONDATA_H
