//===- Qwen.cpp - The qwen2 and qwen3 families ----------------------------===//
#include "DenseDecoder.h"
#include "Families.h"

namespace heddle::import {

llvm::Error buildQwen2(const ModelSource &source, mlir::ModuleOp module) {
  return buildDense(source, module,
                    {.arch = "qwen2",
                     .qkvBias = true,
                     .context = 32768,
                     .kvHeads = 32,
                     .window = 4096,
                     .windowed = Windows::FromLayer});
}

llvm::Error buildQwen3(const ModelSource &source, mlir::ModuleOp module) {
  return buildDense(source, module,
                    {.arch = "qwen3",
                     .optionalBias = true,
                     .headNorms = true,
                     .context = 32768,
                     .kvHeads = 32,
                     .dim = 128,
                     .window = 4096,
                     .windowed = Windows::FromLayer});
}

} // namespace heddle::import
