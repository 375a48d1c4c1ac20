//===- RopeScaling.h - The frequencies of rotary positions ------*- C++ -*-===//
//
// What a config says of rotary positions becomes a table of frequencies and a
// factor, so that kernels know of no scaling.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_IMPORT_FAMILIES_ROPESCALING_H
#define HEDDLE_LIB_IMPORT_FAMILIES_ROPESCALING_H

#include "heddle/Import/GraphBuilder.h"

namespace heddle::import {

struct RopeScaling {
  enum class Kind { None, Linear, Dynamic, Llama3, Yarn, LongRope };
  Kind kind = Kind::None;
  double theta = 10000;
  /// By how much the context was stretched.
  double factor = 1;
  /// Positions that the model was trained on before that.
  int64_t original = 0;
  /// Llama3: wavelengths of more than original / low turn by 1/factor, of less
  /// than original / high as they were.
  double low = 1, high = 4;
  /// Yarn: pairs that turn more than `fast` times over the original length are
  /// kept, of less than `slow` times are interpolated; whether the bounds are
  /// whole pairs.
  double fast = 32, slow = 1;
  bool truncate = true;
  /// Yarn and LongRope: what cosines and sines are multiplied by.
  double amplitude = 1;
  /// Yarn: what multi-head latent attention multiplies its scores by besides.
  double scoreScale = 1;
  /// LongRope: divisors of each pair's frequency up to the original length and
  /// beyond.
  std::vector<double> shortFactors, longFactors;
};

/// What `rope_angles` gets. Empty frequencies: theta^(-2i/dim) / scale.
struct RopeTable {
  double scale = 1, amplitude = 1;
  std::vector<double> frequencies;
  /// Those of a context of more than `original` positions; empty if it does not
  /// matter.
  std::vector<double> beyond;
  int64_t original = 0;
};

/// Frequencies of a head of `dim` elements: none and linear (arXiv 2306.15595),
/// dynamic NTK, llama3 as in Llama 3.1, YaRN (arXiv 2309.00071), LongRoPE
/// (arXiv 2402.13753). Those of dynamic NTK beyond the original length are for
/// factor times that length.
RopeTable ropeTable(const RopeScaling &scaling, int64_t dim);

/// The scaling of a Hugging Face config: `rope_parameters`, or `rope_scaling`
/// and `rope_theta`, `theta` if there is none. `context`:
/// `max_position_embeddings`.
RopeScaling readHuggingFaceRope(GraphBuilder &g, int64_t context, int64_t dim,
                                double theta);

/// The scaling of a GGUF: `PREFIXrope.…`, and the tensors rope_factors_short
/// and rope_factors_long. `context`: `context_length`.
RopeScaling readGGUFRope(GraphBuilder &g, llvm::StringRef prefix,
                         int64_t context, int64_t dim);

} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_FAMILIES_ROPESCALING_H
