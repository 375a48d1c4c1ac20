//===- Llama.cpp - The llama and mistral families -------------------------===//
#include "DenseDecoder.h"
#include "Families.h"

namespace heddle::import {

llvm::Error buildLlama(const ModelSource &source, mlir::ModuleOp module) {
  return buildDense(
      source, module,
      {.arch = "llama",
       .optionalBias = true,
       .interleaved = true,
       .ropeDivisors = true,
       .context = 2048,
       .experts = {.presence = Presence::IfStored, .normsAlways = true}});
}

// Converters write a Mistral as a llama GGUF.
llvm::Error buildMistral(const ModelSource &source, mlir::ModuleOp module) {
  if (source.format != "huggingface")
    return failure(ExitCode::Unsupported,
                   source.path + ": general.architecture = 'mistral', "
                                 "supported is llama, which converters write");
  return buildDense(
      source, module,
      {.arch = "mistral", .context = 131072, .kvHeads = 8, .window = 4096});
}

} // namespace heddle::import
