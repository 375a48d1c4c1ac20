//===- Qwen.cpp - The qwen2 and qwen3 families ----------------------------===//
#include "DenseDecoder.h"
#include "Families.h"

namespace heddle::import {

static llvm::SmallVector<LayerTensor> qwen2Tensors(const DenseConfig &c) {
  int64_t q = c.heads * c.dim, kv = c.kvHeads * c.dim;
  return {{"attn_q.bias", {q}}, {"attn_k.bias", {kv}}, {"attn_v.bias", {kv}}};
}

// Queries and keys are normed over each head, before they are rotated.
static llvm::SmallVector<LayerTensor> qwen3Tensors(const DenseConfig &c) {
  return {{"attn_q_norm.weight", {c.dim}}, {"attn_k_norm.weight", {c.dim}}};
}

llvm::Error buildQwen2(const ModelSource &source, mlir::ModuleOp module) {
  return buildDense(source, module, {"qwen2", qwen2Tensors});
}

llvm::Error buildQwen3(const ModelSource &source, mlir::ModuleOp module) {
  return buildDense(source, module, {"qwen3", qwen3Tensors});
}

} // namespace heddle::import
