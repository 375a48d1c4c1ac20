//===- Families.h - The built-in families -----------------------*- C++ -*-===//
#ifndef HEDDLE_LIB_IMPORT_FAMILIES_FAMILIES_H
#define HEDDLE_LIB_IMPORT_FAMILIES_FAMILIES_H

#include "heddle/Import/Family.h"

namespace heddle::import {
llvm::Error buildLlama(const ModelSource &source, mlir::ModuleOp module);
llvm::Error buildMistral(const ModelSource &source, mlir::ModuleOp module);
llvm::Error buildQwen2(const ModelSource &source, mlir::ModuleOp module);
llvm::Error buildQwen3(const ModelSource &source, mlir::ModuleOp module);
llvm::Error buildMixtral(const ModelSource &source, mlir::ModuleOp module);
llvm::Error buildQwen2MoE(const ModelSource &source, mlir::ModuleOp module);
llvm::Error buildQwen3MoE(const ModelSource &source, mlir::ModuleOp module);
llvm::Error buildGptOss(const ModelSource &source, mlir::ModuleOp module);
llvm::Error buildOLMoE(const ModelSource &source, mlir::ModuleOp module);
llvm::Error buildDeepSeek(const ModelSource &source, mlir::ModuleOp module);
llvm::Error buildDeepSeekV2(const ModelSource &source, mlir::ModuleOp module);
llvm::Error buildDeepSeekV3(const ModelSource &source, mlir::ModuleOp module);
} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_FAMILIES_FAMILIES_H
