//===- DenseConfig.cpp - What checkpoints say of a dense decoder ----------===//
#include "DenseDecoder.h"
#include "heddle/Import/SpanReader.h"
#include "llvm/Support/Path.h"
#include <cmath>

using namespace mlir;

namespace heddle::import {

// Experts: how many, how many of them a token goes to, and how wide they are.
static void checkExperts(GraphBuilder &g, DenseConfig &c, const Twine &count,
                         const Twine &used) {
  if (c.expertsUsed > c.experts && !g.isMalformed())
    g.malformed(used, Twine(c.expertsUsed), count + " = " + Twine(c.experts));
}

// What every reader checks of the numbers, by its own names of them.
static void checkNumbers(GraphBuilder &g, const DenseConfig &c, StringRef heads,
                         StringRef kvHeads, StringRef dim, StringRef hidden,
                         StringRef layers, bool dimGiven) {
  if (g.isMalformed())
    return;
  if (!dimGiven && c.hidden % c.heads)
    g.malformed(heads, Twine(c.heads),
                "a divisor of " + hidden + " = " + Twine(c.hidden));
  else if (c.heads % c.kvHeads)
    g.malformed(heads, Twine(c.heads),
                "a multiple of " + kvHeads + " = " + Twine(c.kvHeads));
  else if (c.dim % 2)
    g.malformed(dim, Twine(c.dim), "even and positive");
  else if (int64_t size = c.layers * c.kvHeads * c.dim;
           size > CacheType::kMostProduct)
    g.malformed(layers + " * " + kvHeads + " * " + dim, Twine(size),
                Twine(CacheType::kMostProduct));
}

// The vocabulary: the rows of the embedding table, which must be what `key`
// says.
static int64_t readVocab(GraphBuilder &g, const Twine &key, bool required) {
  const TensorEntry *table = g.find("token_embd.weight");
  int64_t rows = table && table->shape.size() == 2 ? table->shape[0] : 1;
  if (table && rows > INT32_MAX)
    g.malformedTensor("rows of " + table->name, Twine(rows), Twine(INT32_MAX));
  int64_t vocab = required ? g.integer(key, 1, INT32_MAX)
                           : g.integer(key, 1, INT32_MAX, rows);
  if (table && vocab != rows && !g.isMalformed())
    g.malformed(key, Twine(vocab),
                "the rows of " + table->name + " = " + Twine(rows));
  return table ? rows : vocab;
}

// Groups of experts: equal ones, of which enough are kept for a token's
// experts.
static void checkGroups(GraphBuilder &g, const DenseConfig &c, bool sigmoid,
                        const Twine &groups, const Twine &kept,
                        const Twine &count, const Twine &used) {
  if (g.isMalformed())
    return;
  int64_t size = c.experts / c.expertGroups;
  if (c.expertGroups == 1 && c.expertGroupsKept == 1)
    return;
  if (c.experts % c.expertGroups)
    g.malformed(groups, Twine(c.expertGroups),
                "a divisor of " + count + " = " + Twine(c.experts));
  else if (sigmoid && size < 2)
    g.malformed(groups, Twine(c.expertGroups),
                "half of " + count + " = " + Twine(c.experts));
  else if (c.expertGroupsKept > c.expertGroups)
    g.malformed(kept, Twine(c.expertGroupsKept),
                groups + " = " + Twine(c.expertGroups));
  else if (c.expertsUsed > size * c.expertGroupsKept)
    g.malformed(used, Twine(c.expertsUsed),
                Twine(size * c.expertGroupsKept) + ", the experts of " + kept +
                    " = " + Twine(c.expertGroupsKept) + " groups");
}

// What of latent attention no format says otherwise: the table of angles, one
// shared key, and where keys and values are.
static void finishLatent(GraphBuilder &g, DenseConfig &c, const Twine &rank,
                         const Twine &rotated) {
  LatentConfig &l = c.latent;
  c.kvHeads = 1;
  c.dim = l.rotated;
  if (g.isMalformed())
    return;
  if (l.rotated % 2)
    g.malformed(rotated, Twine(l.rotated), "even");
  else if (int64_t size = c.layers * (l.rank + l.rotated);
           size > CacheType::kMostProduct)
    g.malformed("layers * (" + rank + " + " + rotated + ")", Twine(size),
                Twine(CacheType::kMostProduct));
  // Converters of 2025 and later split what others keep as one tensor.
  if (g.has("blk.0.attn_k_b.weight")) {
    l.keys = "attn_k_b.weight";
    l.values = "attn_v_b.weight";
    return;
  }
  auto name = [&](int64_t first, int64_t count, StringRef end) {
    return ("attn_kv_b.weight#" + Twine(first) + ":" + Twine(count) + "/" +
            Twine(l.plain + l.value) + end)
        .str();
  };
  l.keys = name(0, l.plain, "^T");
  l.values = name(l.plain, l.value, "");
}

constexpr int64_t kMostLatent = 1 << 15;
constexpr int64_t kMostExperts = 65536, kMostUsed = 256, kMostShared = 256;

static void readGGUFExperts(GraphBuilder &g, DenseConfig &c,
                            const DenseFamily &family, StringRef prefix) {
  auto key = [&](StringRef name) { return (prefix + name).str(); };
  const ExpertFamily &experts = family.experts;
  bool must = experts.presence == Presence::Yes;
  c.experts = must ? g.integer(key("expert_count"), 1, kMostExperts)
                   : g.integer(key("expert_count"), 0, kMostExperts, 0);
  if (!c.experts)
    return;
  if (experts.presence == Presence::No)
    return g.unsupported(key("expert_count = ") + Twine(c.experts));
  c.expertsUsed = g.integer(key("expert_used_count"), 1, kMostUsed);
  c.expertWidth =
      g.integer(key("expert_feed_forward_length"), 1, 1 << 24, c.ff);
  if (experts.shared == ExpertFamily::Shared::Gated)
    c.sharedWidth =
        g.integer(key("expert_shared_feed_forward_length"), 1, 1 << 24, c.ff);
  if (experts.shared == ExpertFamily::Shared::Plain)
    c.sharedWidth = g.integer(key("expert_shared_count"), 0, kMostShared, 0) *
                    c.expertWidth;
  c.expertScale = g.number(key("expert_weights_scale"), 0, 1e6, 1.0);
  if (c.expertScale == 0) // llama.cpp's word for none
    c.expertScale = 1;
  c.sparse.assign(c.layers, true);
  int64_t leading = g.integer(key("leading_dense_block_count"), 0, c.layers, 0);
  std::fill_n(c.sparse.begin(), leading, false);
  c.expertNorm = experts.normsAlways || experts.norms;
  if (!experts.normsAlways && !experts.softmaxOfChosen)
    c.expertNorm = g.boolean(key("expert_weights_norm"), c.expertNorm);
  int64_t gating = experts.softmaxOfChosen ? 3 : experts.sigmoid ? 2 : 1;
  if (int64_t f = g.integer(key("expert_gating_func"), 0, INT32_MAX, gating);
      f > 0 && f != gating)
    g.unsupported(key("expert_gating_func = ") + Twine(f) + ", other than " +
                  (experts.softmaxOfChosen ? "softmax of the chosen"
                   : experts.sigmoid       ? "sigmoid"
                                           : "softmax"));
  if (family.latent) {
    c.expertGroups = g.integer(key("expert_group_count"), 1, kMostExperts, 1);
    c.expertGroupsKept =
        g.integer(key("expert_group_used_count"), 1, kMostExperts, 1);
    checkGroups(g, c, experts.sigmoid, key("expert_group_count"),
                key("expert_group_used_count"), key("expert_count"),
                key("expert_used_count"));
  }
  checkExperts(g, c, key("expert_count"), key("expert_used_count"));
}

// Where keys and values are projected by one tensor a head has its own key and
// value lengths; else those of a head have names of their own, and the plain
// ones are of the latent.
static void readGGUFLatent(GraphBuilder &g, DenseConfig &c, StringRef prefix) {
  LatentConfig &l = c.latent;
  auto key = [&](StringRef name) { return (prefix + name).str(); };
  auto length = [&](StringRef name) {
    std::string of = key("attention." + name.str() + "_mla"),
                other = key("attention." + name.str());
    return g.integer(g.hasKey(of) ? of : other, 1, 2 * kMostLatent);
  };
  if (g.hasKey(key("attention.q_lora_rank")))
    l.queryRank = g.integer(key("attention.q_lora_rank"), 1, kMostLatent);
  l.rank = g.integer(key("attention.kv_lora_rank"), 1, kMostLatent);
  l.rotated = g.integer(key("rope.dimension_count"), 2, kMostLatent);
  int64_t head = length("key_length");
  l.value = length("value_length");
  l.plain = head - l.rotated;
  if (l.plain < 1 && !g.isMalformed())
    g.malformed(key("rope.dimension_count"), Twine(l.rotated),
                "less than the key length " + Twine(head));
  // Beside lengths of heads, the plain ones are those of the one shared key.
  auto latent = [&](StringRef name, int64_t must, const Twine &what) {
    std::string plain = key("attention." + name.str());
    if (int64_t n = g.integer(plain, 1, 2 * kMostLatent, must);
        n != must && g.hasKey(plain + "_mla") && !g.isMalformed())
      g.malformed(plain, Twine(n), what + " = " + Twine(must));
  };
  latent("key_length", l.rank + l.rotated,
         key("attention.kv_lora_rank + ") + key("rope.dimension_count"));
  latent("value_length", l.rank, key("attention.kv_lora_rank"));
  if (c.kvHeads != 1 && c.kvHeads != c.heads && !g.isMalformed())
    g.malformed(key("attention.head_count_kv"), Twine(c.kvHeads),
                "1 or " + key("attention.head_count") + " = " + Twine(c.heads));
  finishLatent(g, c, key("attention.kv_lora_rank"),
               key("rope.dimension_count"));
}

DenseConfig readGGUFConfig(GraphBuilder &g, const DenseFamily &family) {
  std::string prefix = family.arch.str() + ".";
  auto key = [&](StringRef name) { return prefix + name.str(); };
  DenseConfig c = {};
  c.name = g.string("general.name", family.arch.str());
  c.layers = g.integer(key("block_count"), 1, 10000);
  c.hidden = g.integer(key("embedding_length"), 1, 1 << 20);
  c.ff = g.integer(key("feed_forward_length"), 1, 1 << 24);
  c.heads = g.integer(key("attention.head_count"), 1, 1 << 16);
  c.kvHeads = g.integer(key("attention.head_count_kv"), 1, 1 << 16, c.heads);
  c.context = g.integer(key("context_length"), 1, INT32_MAX);
  c.epsilon = g.number(key("attention.layer_norm_rms_epsilon"), 1e-12, 1);
  c.dim =
      g.integer(key("attention.key_length"), 1, 1 << 16, c.hidden / c.heads);
  if (family.latent)
    readGGUFLatent(g, c, prefix);
  checkNumbers(g, c, key("attention.head_count"), "head_count_kv",
               key("attention.key_length"), "embedding_length",
               key("block_count"), g.hasKey(key("attention.key_length")));
  // Where the file says nothing of these, they are what they are compared with.
  if (int64_t v = g.integer(key("attention.value_length"), 1, 1 << 16, c.dim);
      !family.latent && v != c.dim)
    g.unsupported(key("attention.value_length = ") + Twine(v) +
                  ", other than the key length " + Twine(c.dim));
  // The stored order of q and k rows is that of whole heads.
  if (int64_t r = g.integer(key("rope.dimension_count"), 1, 1 << 16, c.dim);
      r != c.dim)
    g.unsupported(key("rope.dimension_count = ") + Twine(r) +
                  ", other than the head size " + Twine(c.dim));
  readGGUFExperts(g, c, family, prefix);
  bool every = family.windowed != Windows::Alternating;
  std::string window = key("attention.sliding_window");
  c.windows.assign(c.layers, every ? g.integer(window, 0, INT64_MAX, 0)
                                   : g.integer(window, 1, INT64_MAX));
  for (int64_t i = 1; !every && i < c.layers; i += 2)
    c.windows[i] = 0;
  c.rope = readGGUFRope(g, prefix, c.context, c.dim);
  c.rope.truncate = family.yarnTruncates;
  c.mlpBias = family.optionalBias ? Presence::IfStored : Presence::No;
  c.outputBias = family.attentionBias ? Presence::Yes : c.mlpBias;
  c.qkvBias = family.qkvBias ? Presence::Yes : c.outputBias;

  // Of latent attention alone: what they change elsewhere is not known.
  if (!family.latent)
    for (const char *name :
         {"expert_group_count", "expert_group_used_count",
          "attention.q_lora_rank", "attention.kv_lora_rank",
          "attention.key_length_mla", "attention.value_length_mla",
          "rope.scaling.yarn_log_multiplier"})
      if (g.hasKey(key(name)))
        g.unsupported("metadata " + quoted(key(name)));
  g.refuseUnknownKeys(prefix, {"block_count",
                               "embedding_length",
                               "feed_forward_length",
                               "attention.head_count",
                               "attention.head_count_kv",
                               "context_length",
                               "attention.layer_norm_rms_epsilon",
                               "rope.freq_base",
                               "attention.key_length",
                               "attention.value_length",
                               "rope.dimension_count",
                               "expert_count",
                               "expert_used_count",
                               "expert_feed_forward_length",
                               "expert_shared_feed_forward_length",
                               "expert_weights_norm",
                               "expert_gating_func",
                               "expert_group_count",
                               "expert_group_used_count",
                               "attention.q_lora_rank",
                               "attention.kv_lora_rank",
                               "attention.key_length_mla",
                               "attention.value_length_mla",
                               "rope.scaling.yarn_log_multiplier",
                               "expert_shared_count",
                               "expert_weights_scale",
                               "leading_dense_block_count",
                               "attention.sliding_window",
                               "rope.scaling.type",
                               "rope.scaling.factor",
                               "rope.scaling.original_context_length",
                               "rope.scaling.finetuned",
                               "rope.scaling.attn_factor",
                               "rope.scaling.yarn_beta_fast",
                               "rope.scaling.yarn_beta_slow",
                               "vocab_size",
                               "tensor_data_layout"});
  c.vocab = readVocab(g, key("vocab_size"), /*required=*/false);
  c.tied = !g.has("output.weight");
  return c;
}

// Which layers see a window, and how wide it is.
static std::vector<int64_t>
readWindows(GraphBuilder &g, const DenseFamily &family, int64_t layers) {
  bool always = family.windowed == Windows::Always ||
                family.windowed == Windows::Alternating;
  bool on = always ? family.window > 0 : g.boolean("use_sliding_window", false);
  int64_t window = on && g.hasValue("sliding_window")
                       ? g.integer("sliding_window", 1, INT32_MAX)
                       : 0;
  if (on && !g.hasKey("sliding_window"))
    window = family.window;
  int64_t border =
      always ? 0 : g.integer("max_window_layers", 0, INT32_MAX, 28);
  std::vector<int64_t> windows(layers);
  auto sees = [&](int64_t i) {
    switch (family.windowed) {
    case Windows::Everywhere:
      return true;
    case Windows::Alternating:
      return i % 2 == 0;
    case Windows::EverySecond:
      return i % 2 == 0 && i < border;
    default:
      return i >= border;
    }
  };
  for (int64_t i = 0; i < layers; ++i)
    if (sees(i))
      windows[i] = window;
  if (family.windowed == Windows::Everywhere || !g.hasValue("layer_types"))
    return windows;
  std::vector<std::string> types = g.strings("layer_types");
  if (int64_t(types.size()) != layers) {
    if (!g.isMalformed())
      g.malformed("layer_types", Twine(types.size()) + " layers",
                  "num_hidden_layers = " + Twine(layers));
    return windows;
  }
  for (auto [i, type] : llvm::enumerate(types)) {
    bool sliding = type == "sliding_attention";
    if (!sliding && type != "full_attention")
      g.unsupported("layer_types: " + quoted(type));
    else if (sliding && !window)
      g.malformed("layer_types of layer " + Twine(i), quoted(type),
                  "'full_attention' without sliding_window");
    windows[i] = sliding ? window : 0;
  }
  return windows;
}

// Fields that say nothing of what a program computes. Those with numbers are
// checked all the same: what breaks other readers must not pass here.
// `blocks`: weights may be in MXFP4, which their tensors say.
static void checkOthers(GraphBuilder &g, int64_t vocab, bool blocks) {
  g.number("initializer_range", 0, 1, 0.02);
  if (g.hasValue("attention_dropout"))
    g.number("attention_dropout", 0, 1);
  if (g.hasValue("pretraining_tp"))
    g.integer("pretraining_tp", 1, 1 << 20);
  for (const char *key : {"bos_token_id", "pad_token_id"})
    if (g.hasValue(key))
      g.integer(key, -1, vocab - 1);
  g.boolean("use_cache", true);
  static constexpr StringRef kRead[] = {"architectures",
                                        "model_type",
                                        "hidden_size",
                                        "intermediate_size",
                                        "num_hidden_layers",
                                        "num_attention_heads",
                                        "num_key_value_heads",
                                        "head_dim",
                                        "max_position_embeddings",
                                        "rms_norm_eps",
                                        "vocab_size",
                                        "hidden_act",
                                        "tie_word_embeddings",
                                        "attention_bias",
                                        "mlp_bias",
                                        "sliding_window",
                                        "use_sliding_window",
                                        "max_window_layers",
                                        "layer_types",
                                        "rope_theta",
                                        "rope_scaling",
                                        "rope_parameters",
                                        "partial_rotary_factor",
                                        "original_max_position_embeddings",
                                        "initializer_range",
                                        "attention_dropout",
                                        "pretraining_tp",
                                        "bos_token_id",
                                        "eos_token_id",
                                        "pad_token_id",
                                        "use_cache",
                                        "quantization_config",
                                        "auto_map",
                                        "num_experts",
                                        "num_local_experts",
                                        "num_experts_per_tok",
                                        "moe_intermediate_size",
                                        "shared_expert_intermediate_size",
                                        "norm_topk_prob",
                                        "decoder_sparse_step",
                                        "mlp_only_layers",
                                        "clip_qkv",
                                        "n_routed_experts",
                                        "n_shared_experts",
                                        "first_k_dense_replace",
                                        "moe_layer_freq",
                                        "scoring_func",
                                        "kv_lora_rank",
                                        "q_lora_rank",
                                        "qk_nope_head_dim",
                                        "qk_rope_head_dim",
                                        "v_head_dim",
                                        "rope_interleave",
                                        "n_group",
                                        "topk_group",
                                        "topk_method",
                                        "routed_scaling_factor",
                                        "swiglu_limit",
                                        "swiglu_alpha"};
  static constexpr StringRef kSilent[] = {"_name_or_path",
                                          "transformers_version",
                                          "torch_dtype",
                                          "dtype",
                                          "id2label",
                                          "label2id",
                                          "tokenizer_class",
                                          "output_attentions",
                                          "output_hidden_states",
                                          "return_dict",
                                          "chunk_size_feed_forward",
                                          "is_encoder_decoder",
                                          "problem_type",
                                          "_attn_implementation",
                                          "attn_implementation",
                                          "bias",
                                          "qkv_bias",
                                          "output_router_logits",
                                          "router_aux_loss_coef",
                                          "aux_loss_alpha",
                                          "seq_aux",
                                          "qk_head_dim",
                                          "ep_size",
                                          "num_nextn_predict_layers",
                                          "initial_context_length",
                                          "experts_per_token",
                                          "router_jitter_noise"};
  static constexpr StringRef kObjects[] = {"rope_scaling", "rope_parameters",
                                           "quantization_config", "auto_map"};
  for (const std::string &key : g.keys()) {
    auto [name, inner] = StringRef(key).split('.');
    if (!inner.empty() && llvm::is_contained(kRead, name) &&
        !llvm::is_contained(kObjects, name))
      g.malformed(name, "an object", "a value");
    else if (!llvm::is_contained(kRead, name) &&
             !llvm::is_contained(kSilent, name))
      g.ignored("config.json " + quoted(key));
  }
  if (g.hasPrefix("quantization_config.")) {
    std::string method = g.string("quantization_config.quant_method", "absent");
    if (!blocks || method != "mxfp4")
      g.unsupported("quantization_config.quant_method = " + quoted(method));
  }
}

// Which layers have experts, and which have one gated unit instead.
static std::vector<bool> readSparse(GraphBuilder &g, const DenseConfig &c,
                                    const ExpertFamily &experts) {
  bool deepSeek = experts.shared == ExpertFamily::Shared::Plain;
  std::vector<bool> sparse(c.layers, true);
  // Every layer that is a multiple of `step`, counted from 0 or from 1.
  int64_t step = g.integer(deepSeek ? "moe_layer_freq" : "decoder_sparse_step",
                           1, INT32_MAX, 1),
          first = deepSeek ? g.integer("first_k_dense_replace", 0, 10000,
                                       experts.sigmoid ? 3 : 0)
                           : 0;
  for (int64_t i = 0; i < c.layers; ++i)
    sparse[i] = i >= first && (deepSeek ? i : i + 1) % step == 0;
  StringRef key = "mlp_only_layers";
  if (deepSeek || !g.hasValue(key) || g.isEmptyList(key))
    return sparse;
  for (double layer : g.numbers(key, 0, c.layers - 1))
    if (layer == std::floor(layer))
      sparse[int64_t(layer)] = false;
    else
      g.malformed(key, "a fraction", "numbers of layers");
  return sparse;
}

static void readExperts(GraphBuilder &g, DenseConfig &c,
                        const DenseFamily &family) {
  const ExpertFamily &experts = family.experts;
  bool deepSeek = experts.shared == ExpertFamily::Shared::Plain;
  if (experts.presence != Presence::Yes ||
      (deepSeek && !g.hasValue(experts.countKey)))
    return;
  auto orElse = [](int64_t fallback) {
    return fallback ? std::optional<int64_t>(fallback) : std::nullopt;
  };
  // One number by two names, which the versions of transformers change.
  StringRef countKey = !experts.countKey.empty()       ? experts.countKey
                       : g.hasKey("num_local_experts") ? "num_local_experts"
                                                       : "num_experts";
  c.experts = g.integer(countKey, 1, kMostExperts, orElse(experts.count));
  if (int64_t n = g.integer("num_experts", 1, kMostExperts, c.experts);
      !deepSeek && n != c.experts && !g.isMalformed())
    g.malformed("num_experts", Twine(n), countKey + " = " + Twine(c.experts));
  c.expertsUsed =
      g.integer("num_experts_per_tok", 1, kMostUsed, orElse(experts.used));
  c.expertWidth =
      experts.widthKey == "intermediate_size"
          ? c.ff
          : g.integer(experts.widthKey, 1, 1 << 24, orElse(experts.width));
  if (experts.shared == ExpertFamily::Shared::Gated)
    c.sharedWidth =
        g.integer("shared_expert_intermediate_size", 1, 1 << 24, 5632);
  if (deepSeek && g.hasValue("n_shared_experts"))
    c.sharedWidth =
        g.integer("n_shared_experts", 0, kMostShared) * c.expertWidth;
  StringRef known = experts.sigmoid ? "sigmoid" : "softmax";
  if (std::string score = g.string("scoring_func", known.str());
      deepSeek && score != known)
    g.unsupported("scoring_func = " + quoted(score));
  if (family.latent) {
    c.expertScale = g.number("routed_scaling_factor", 1e-6, 1e6,
                             experts.sigmoid ? 2.5 : 1.0);
    std::string method =
        g.string("topk_method", experts.sigmoid ? "noaux_tc" : "greedy");
    if (experts.sigmoid
            ? method != "noaux_tc"
            : method != "greedy" && method != "group_limited_greedy")
      g.unsupported("topk_method = " + quoted(method));
    // V3 has them where its config.json does not say so, V2 has not.
    auto grouped = [&](StringRef key) {
      return g.hasValue(key) || (experts.sigmoid && !g.hasKey(key));
    };
    if (method != "greedy" && grouped("n_group")) {
      c.expertGroups = g.integer("n_group", 1, kMostExperts,
                                 orElse(experts.sigmoid ? 8 : 0));
      c.expertGroupsKept = g.integer("topk_group", 1, kMostExperts,
                                     orElse(experts.sigmoid ? 4 : 0));
    }
    checkGroups(g, c, experts.sigmoid, "n_group", "topk_group", countKey,
                "num_experts_per_tok");
  }
  c.expertNorm =
      experts.normsAlways || (!experts.softmaxOfChosen &&
                              g.boolean("norm_topk_prob", experts.sigmoid));
  if (experts.clamped) {
    c.limit = g.number("swiglu_limit", 1e-6, 1e6, c.limit);
    c.alpha = g.number("swiglu_alpha", 1e-6, 1e6, c.alpha);
  }
  checkExperts(g, c, countKey, "num_experts_per_tok");
  c.sparse = readSparse(g, c, experts);
  if (g.hasValue("clip_qkv"))
    g.unsupported("clip_qkv");
}

static void readLatent(GraphBuilder &g, DenseConfig &c) {
  LatentConfig &l = c.latent;
  if (g.hasValue("q_lora_rank"))
    l.queryRank = g.integer("q_lora_rank", 1, kMostLatent);
  l.rank = g.integer("kv_lora_rank", 1, kMostLatent);
  l.plain = g.integer("qk_nope_head_dim", 1, kMostLatent);
  l.rotated = g.integer("qk_rope_head_dim", 2, kMostLatent);
  l.value = g.integer("v_head_dim", 1, kMostLatent);
  l.interleaved = g.boolean("rope_interleave", true);
  for (const char *key : {"attention_bias", "mlp_bias"})
    if (g.boolean(key, false))
      g.unsupported(Twine(key) + " = true with latent attention");
  finishLatent(g, c, "kv_lora_rank", "qk_rope_head_dim");
}

DenseConfig readHuggingFaceConfig(GraphBuilder &g, const DenseFamily &family) {
  DenseConfig c = {};
  c.layers = g.integer("num_hidden_layers", 1, 10000);
  c.hidden = g.integer("hidden_size", 1, 1 << 20);
  c.ff = g.integer("intermediate_size", 1, 1 << 24);
  c.heads = g.integer("num_attention_heads", 1, 1 << 16);
  auto orDefault = [&](StringRef key, int64_t most, int64_t fallback) {
    return g.hasValue(key) ? g.integer(key, 1, most) : fallback;
  };
  // A null of these is every head, and an equal share of the hidden size.
  c.kvHeads = orDefault("num_key_value_heads", 1 << 16,
                        g.hasKey("num_key_value_heads") || !family.kvHeads
                            ? c.heads
                            : family.kvHeads);
  bool dimGiven = g.hasValue("head_dim") || family.dim;
  c.dim = orDefault("head_dim", 1 << 16,
                    family.dim ? family.dim : c.hidden / c.heads);
  c.context =
      g.integer("max_position_embeddings", 1, INT32_MAX, family.context);
  c.epsilon = g.number("rms_norm_eps", 1e-12, 1, family.epsilon);
  if (family.latent)
    readLatent(g, c);
  checkNumbers(g, c, "num_attention_heads", "num_key_value_heads", "head_dim",
               "hidden_size", "num_hidden_layers", dimGiven || family.latent);
  if (std::string act = g.string("hidden_act", "silu");
      act != "silu" && act != "swish")
    g.unsupported("hidden_act = " + quoted(act));
  c.rope = readHuggingFaceRope(g, c.context, c.dim, family.theta);
  if (!family.yarnTruncates && !g.hasPrefix("rope_scaling.") &&
      !g.hasPrefix("rope_parameters."))
    g.unsupported("rope_parameters that are left out");
  if (c.rope.kind == RopeScaling::Kind::Dynamic ||
      c.rope.kind == RopeScaling::Kind::Yarn)
    c.context = std::max<int64_t>(
        c.context,
        std::min<double>(c.rope.original * c.rope.factor, INT32_MAX));
  c.windows = readWindows(g, family, c.layers);
  readExperts(g, c, family);

  bool attentionBias = g.boolean("attention_bias", family.attentionBias),
       mlpBias = g.boolean("mlp_bias", false);
  bool bias = g.boolean("bias", false), qkvBias = g.boolean("qkv_bias", false);
  auto presence = [](bool is) { return is ? Presence::Yes : Presence::No; };
  bool may = family.optionalBias, attention = may || family.attentionBias;
  c.qkvBias = presence(family.qkvBias || (attention && attentionBias) ||
                       (may && qkvBias));
  c.outputBias = presence((attention && attentionBias) || (may && bias));
  c.mlpBias = presence(may && (mlpBias || bias));

  c.vocab = readVocab(g, "vocab_size", /*required=*/true);
  c.tied = g.boolean("tie_word_embeddings", false);
  checkOthers(g, c.vocab, family.experts.clamped);
  return c;
}

} // namespace heddle::import
