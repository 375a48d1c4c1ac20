//===- Llama.cpp - The llama family ---------------------------------------===//
#include "DenseDecoder.h"
#include "Families.h"

namespace heddle::import {

// Some of the shape have biases (InternLM, for one).
static llvm::SmallVector<LayerTensor> tensors(const DenseConfig &c) {
  int64_t q = c.heads * c.dim, kv = c.kvHeads * c.dim;
  return {{"attn_q.bias", {q}, true},      {"attn_k.bias", {kv}, true},
          {"attn_v.bias", {kv}, true},     {"attn_output.bias", {c.hidden}, true},
          {"ffn_gate.bias", {c.ff}, true}, {"ffn_up.bias", {c.ff}, true},
          {"ffn_down.bias", {c.hidden}, true}};
}

llvm::Error buildLlama(const ModelSource &source, mlir::ModuleOp module) {
  return buildDense(source, module, {"llama", tensors, /*interleaved=*/true, /*ropeDivisors=*/true});
}

} // namespace heddle::import
