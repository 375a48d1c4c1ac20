//===- DenseDecoder.h - Decoders of attention and a gated unit --*- C++ -*-===//
//
// Llama, Qwen and most other dense models are one decoder: pre-normed grouped-query
// attention with rotary positions, then a SiLU-gated unit. What tells them apart is which
// tensors a layer has and how the converter stored them; a family says that and no more.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_IMPORT_FAMILIES_DENSEDECODER_H
#define HEDDLE_LIB_IMPORT_FAMILIES_DENSEDECODER_H

#include "heddle/Import/GraphBuilder.h"

namespace heddle::import {

/// The numbers of a decoder, from metadata under the architecture's prefix.
struct DenseConfig {
  std::string name;
  int64_t layers, hidden, ff, heads, kvHeads, dim, context, vocab;
  double epsilon, theta, ropeScale;
};

struct DenseFamily {
  /// `general.architecture`; prefix of its keys.
  llvm::StringRef arch;
  /// What a layer has beside denseTensors. Whatever of these a layer has is used:
  /// `.bias` of any linear, `attn_q_norm` and `attn_k_norm` over each head.
  llvm::SmallVector<LayerTensor> (*more)(const DenseConfig &c);
  /// Converters interleave the halves of each head's q and k rows: (2i, 2i + 1) in
  /// the file is (i, i + dim/2) in the model.
  bool interleaved = false;
  /// The file may divide rotary frequencies by `rope_freqs.weight`.
  bool ropeDivisors = false;
};

llvm::Error buildDense(const ModelSource &source, mlir::ModuleOp module, const DenseFamily &family);

} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_FAMILIES_DENSEDECODER_H
