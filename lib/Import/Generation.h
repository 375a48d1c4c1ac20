//===- Generation.h - What a checkpoint says of generating ------*- C++ -*-===//
#ifndef HEDDLE_LIB_IMPORT_GENERATION_H
#define HEDDLE_LIB_IMPORT_GENERATION_H

#include "heddle/Import/ModelSource.h"
#include "llvm/Support/JSON.h"

namespace heddle::import {

/// `eos_token_id` of a source's metadata, one id or a list of them, if it is
/// there. Errors: Malformed; Limit, if they are too many to compare each token
/// with.
llvm::Error readEndTokens(const ModelSource &source, GenerationDefaults &out);

/// A generation_config.json as transformers reads it: without `do_sample` it
/// is greedy. Errors: as readEndTokens; Malformed.
llvm::Error readGenerationConfig(llvm::StringRef file,
                                 const llvm::json::Object &object,
                                 GenerationDefaults &out);

/// The keys `general.sampling.` of a GGUF file, as llama.cpp has them. Errors:
/// Malformed.
llvm::Error readSamplingKeys(const ModelSource &source,
                             GenerationDefaults &out);

} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_GENERATION_H
