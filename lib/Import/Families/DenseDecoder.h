//===- DenseDecoder.h - Decoders of attention and a gated unit --*- C++ -*-===//
//
// Llama, Mistral, Qwen and most other dense models are one decoder: pre-normed
// grouped-query attention with rotary positions, then a SiLU-gated unit, or a
// router and many of them (Mixture-of-Experts). What
// tells them apart is which tensors a layer has, how the converter stored them
// and what a config leaves out; a family says that and no more.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_LIB_IMPORT_FAMILIES_DENSEDECODER_H
#define HEDDLE_LIB_IMPORT_FAMILIES_DENSEDECODER_H

#include "RopeScaling.h"

namespace heddle::import {

/// Whether each layer has some tensors: none, all, or those that the file has.
enum class Presence { No, Yes, IfStored };

/// Which layers see a `sliding_window`. With a switch, only if
/// `use_sliding_window` says so: from layer `max_window_layers` on or as
/// `layer_types` says; every second one before that, or as `layer_types` says;
/// all of them, whatever it says. Without a switch every second one, the first
/// among them, or as `layer_types` says.
enum class Windows { Always, FromLayer, EverySecond, Everywhere, Alternating };

/// The routed experts of a family, which are its gated units.
struct ExpertFamily {
  /// Whether models have them; llama has them in a GGUF alone (Mixtral), where
  /// the file says so.
  Presence presence = Presence::No;
  /// What config.json calls their number; empty: either of `num_experts` and
  /// `num_local_experts`. A model of DeepSeek that says none has none.
  llvm::StringRef countKey = "";
  /// What config.json calls their width.
  llvm::StringRef widthKey = "moe_intermediate_size";
  /// The weights of a token's experts sum to 1: always, or as `norm_topk_prob`
  /// says (`norms` where it does not).
  bool normsAlways = false, norms = false;
  /// A gated unit beside them that every token goes through: times a sigmoid
  /// of its own, or as it is and as wide as several experts (DeepSeek).
  enum class Shared { None, Gated, Plain } shared = Shared::None;
  /// The router of DeepSeek-V3: sigmoids, a bias for the choice alone, groups
  /// by the sum of their two best.
  bool sigmoid = false;
  /// The router of gpt-oss: the logits choose, and the weights are the softmax
  /// of those that are chosen.
  bool softmaxOfChosen = false;
  /// Biases of the router and of every expert's gate, up and down.
  bool biases = false;
  /// The clamped activation of gpt-oss, by `swiglu_limit` and `swiglu_alpha`.
  bool clamped = false;
  /// Numbers that a config.json may leave out: experts, those of a token,
  /// width.
  int64_t count = 0, used = 0, width = 0;
};

struct DenseFamily {
  /// The family's name: `general.architecture` and prefix of the keys of a
  /// GGUF.
  llvm::StringRef arch;
  /// q, k and v have biases in every model.
  bool qkvBias = false;
  /// Any linear may have one: where a GGUF stores it, or a config says
  /// `attention_bias`
  /// (`qkv_bias` and `bias`, InternLM) and `mlp_bias`.
  bool optionalBias = false;
  /// Every linear of the attention has one, unless `attention_bias` is false.
  bool attentionBias = false;
  /// Each query head has a learnt logit that no key stands behind.
  bool sinks = false;
  /// Queries and keys are normed over each head, before they are rotated.
  bool headNorms = false;
  /// The same over all heads at once.
  bool wholeNorms = false;
  /// Converters to GGUF interleave the halves of each head's q and k rows: (2i,
  /// 2i + 1) in the file is (i, i + dim/2) in the model.
  bool interleaved = false;
  /// A GGUF may divide rotary frequencies by `rope_freqs.weight`.
  bool ropeDivisors = false;
  /// What a config.json that does not say means by it:
  /// `max_position_embeddings`, `num_key_value_heads` and `head_dim` (0: by the
  /// heads), `sliding_window` (0: none).
  int64_t context = 0, kvHeads = 0, dim = 0, window = 0;
  Windows windowed = Windows::Always;
  /// `rope_theta` and `rms_norm_eps` of a config.json that does not say.
  double theta = 10000, epsilon = 1e-6;
  /// YaRN's bounds are whole pairs; a config.json says so itself, a GGUF
  /// cannot.
  bool yarnTruncates = true;
  /// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434).
  bool latent = false;
  ExpertFamily experts = {};
};

/// The numbers of multi-head latent attention: ranks of the latents of queries
/// (0: none) and of keys and values; elements of a head that are not rotated,
/// that are, and of its values; whether rotated pairs are neighbours.
struct LatentConfig {
  int64_t queryRank = 0, rank = 0, plain = 0, rotated = 0, value = 0;
  bool interleaved = true;
  /// The parameters of both halves of what the latent becomes, [heads, rank,
  /// plain] and [heads, value, rank].
  std::string keys, values;
};

/// The numbers of a decoder.
struct DenseConfig {
  std::string name;
  int64_t layers, hidden, ff, heads, kvHeads, dim, context, vocab;
  double epsilon;
  RopeScaling rope;
  /// Per layer: how many positions attention sees, itself included; 0: all.
  std::vector<int64_t> windows;
  Presence qkvBias, outputBias, mlpBias;
  /// The head is the embedding table, whatever the file has.
  bool tied = false;
  /// Experts, those a token goes to, and their width; 0: `ff` is the width of
  /// one gated unit. The width of the shared expert; 0: there is none.
  int64_t experts = 0, expertsUsed = 0, expertWidth = 0, sharedWidth = 0;
  /// The weights of a token's experts sum to 1.
  bool expertNorm = false;
  /// Neighbouring experts in groups, and how many of these count for a token.
  int64_t expertGroups = 1, expertGroupsKept = 1;
  LatentConfig latent;
  /// What the weights are multiplied by.
  double expertScale = 1;
  /// Of the clamped activation.
  double limit = 7, alpha = 1.702;
  /// Per layer, where there are experts: whether it has them, or one gated unit
  /// of width `ff`.
  std::vector<bool> sparse;
  bool hasExperts(int64_t layer) const { return experts && sparse[layer]; }
};

/// The config of a GGUF. Its tied head is one that is not stored.
DenseConfig readGGUFConfig(GraphBuilder &g, const DenseFamily &family);
/// The config.json of Hugging Face.
DenseConfig readHuggingFaceConfig(GraphBuilder &g, const DenseFamily &family);

/// Names of tensors by format, and by how a checkpoint stores experts.
TensorNames denseNames(const ModelSource &source, const DenseFamily &family);

llvm::Error buildDense(const ModelSource &source, mlir::ModuleOp module,
                       const DenseFamily &family);

} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_FAMILIES_DENSEDECODER_H
