//===- DenseDecoder.cpp - Decoders of attention and a gated unit ----------===//
#include "DenseDecoder.h"
#include "llvm/Support/Path.h"
#include <cmath>

using namespace mlir;

namespace heddle::import {

static DenseConfig readConfig(GraphBuilder &g, StringRef arch) {
  std::string prefix = arch.str() + ".";
  auto key = [&](StringRef name) { return prefix + name.str(); };
  DenseConfig c = {};
  c.name = g.string("general.name", arch.str());
  c.layers = g.integer(key("block_count"), 1, 10000);
  c.hidden = g.integer(key("embedding_length"), 1, 1 << 20);
  c.ff = g.integer(key("feed_forward_length"), 1, 1 << 24);
  c.heads = g.integer(key("attention.head_count"), 1, 1 << 16);
  c.kvHeads = g.integer(key("attention.head_count_kv"), 1, 1 << 16, c.heads);
  c.context = g.integer(key("context_length"), 1, INT32_MAX);
  c.epsilon = g.number(key("attention.layer_norm_rms_epsilon"), 1e-12, 1);
  c.theta = g.number(key("rope.freq_base"), 1, 1e12, 10000.0);

  if (!g.isMalformed() && !g.hasKey(key("attention.key_length")) && c.hidden % c.heads)
    g.malformed(key("attention.head_count"), Twine(c.heads), "a divisor of embedding_length = " + Twine(c.hidden));
  c.dim = g.integer(key("attention.key_length"), 1, 1 << 16, c.hidden / c.heads);
  if (!g.isMalformed() && c.heads % c.kvHeads)
    g.malformed(key("attention.head_count"), Twine(c.heads), "a multiple of head_count_kv = " + Twine(c.kvHeads));
  if (!g.isMalformed() && c.dim % 2)
    g.malformed(key("attention.key_length"), Twine(c.dim), "even and positive");
  if (int64_t size = c.layers * c.kvHeads * c.dim; !g.isMalformed() && size > CacheType::kMostProduct)
    g.malformed(key("block_count") + " * head_count_kv * key_length", Twine(size), Twine(CacheType::kMostProduct));
  // Where the file says nothing of these, they are what they are compared with.
  if (int64_t v = g.integer(key("attention.value_length"), 1, 1 << 16, c.dim); v != c.dim)
    g.unsupported(key("attention.value_length = ") + Twine(v) + ", other than the key length " + Twine(c.dim));
  // The stored order of q and k rows is that of whole heads.
  if (int64_t r = g.integer(key("rope.dimension_count"), 1, 1 << 16, c.dim); r != c.dim)
    g.unsupported(key("rope.dimension_count = ") + Twine(r) + ", other than the head size " + Twine(c.dim));
  if (int64_t n = g.integer(key("expert_count"), 0, INT32_MAX, 0))
    g.unsupported(key("expert_count = ") + Twine(n));
  if (int64_t w = g.integer(key("attention.sliding_window"), 0, INT64_MAX, 0))
    g.unsupported(key("attention.sliding_window = ") + Twine(w));

  // A factor without a type is linear, as in llama.cpp; a factor of 0 is none.
  std::string scaling = g.string(key("rope.scaling.type"), "linear");
  double factor = g.number(key("rope.scaling.factor"), 0, 1e6, 1.0);
  c.ropeScale = scaling == "linear" && factor > 0 ? factor : 1.0;
  if (scaling != "linear" && scaling != "none")
    g.unsupported(key("rope.scaling.type = ") + Twine(scaling));

  g.refuseUnknownKeys(prefix, {"block_count", "embedding_length", "feed_forward_length", "attention.head_count",
                               "attention.head_count_kv", "context_length", "attention.layer_norm_rms_epsilon",
                               "rope.freq_base", "attention.key_length", "attention.value_length",
                               "rope.dimension_count", "expert_count", "expert_used_count",
                               "attention.sliding_window", "rope.scaling.type", "rope.scaling.factor",
                               "rope.scaling.original_context_length", "rope.scaling.finetuned", "vocab_size",
                               "tensor_data_layout"});

  const TensorEntry *table = g.find("token_embd.weight");
  c.vocab = table && table->shape.size() == 2 ? table->shape[0] : 1;
  if (table && c.vocab > INT32_MAX)
    g.malformed("rows of token_embd.weight", Twine(c.vocab), Twine(INT32_MAX));
  int64_t vocab = g.integer(key("vocab_size"), 1, INT32_MAX, c.vocab);
  if (!table)
    c.vocab = vocab;
  else if (vocab != c.vocab)
    g.malformed(key("vocab_size"), Twine(vocab), "the rows of token_embd.weight = " + Twine(c.vocab));
  return c;
}

// What a layer of every family has.
static SmallVector<LayerTensor> denseTensors(const DenseConfig &c) {
  int64_t d = c.hidden, q = c.heads * c.dim, kv = c.kvHeads * c.dim;
  return {{"attn_norm.weight", {d}},      {"attn_q.weight", {q, d}},      {"attn_k.weight", {kv, d}},
          {"attn_v.weight", {kv, d}},     {"attn_output.weight", {d, q}}, {"ffn_norm.weight", {d}},
          {"ffn_gate.weight", {c.ff, d}}, {"ffn_up.weight", {c.ff, d}},   {"ffn_down.weight", {d, c.ff}}};
}

static SmallVector<Value> buildLayer(GraphBuilder &g, const DenseConfig &c, const GraphBuilder::Layer &p) {
  OpBuilder &b = g.b;
  Value x = p.carried[0], cache = p.carried[1], slot = p.slot;
  Value positions = p.shared[0], angles = p.shared[1];
  auto norm = [&](Value v, StringRef name, int64_t groups = 1) -> Value {
    auto op = RMSNormOp::create(b, g.loc(name), v, p[name], llvm::APFloat(c.epsilon));
    op.setGroups(groups);
    return op;
  };
  auto linear = [&](Value v, StringRef name) -> Value {
    Value bias = p[(name + ".bias").str()];
    return LinearOp::create(b, g.loc(name), v, p[(name + ".weight").str()], bias);
  };
  auto headNorm = [&](Value v, StringRef name, int64_t heads) { return p[name] ? norm(v, name, heads) : v; };

  Value h = norm(x, "attn_norm.weight");
  Value q = linear(h, "attn_q"), k = linear(h, "attn_k"), v = linear(h, "attn_v");
  q = RopeOp::create(b, g.loc("rope_q"), headNorm(q, "attn_q_norm.weight", c.heads), angles, c.heads);
  k = RopeOp::create(b, g.loc("rope_k"), headNorm(k, "attn_k_norm.weight", c.kvHeads), angles, c.kvHeads);
  cache = CacheAppendOp::create(b, g.loc("cache"), cache, slot, k, v, positions);
  Value o = AttentionOp::create(b, g.loc("attention"), q, cache, slot, positions, c.heads,
                                llvm::APFloat(1 / std::sqrt(double(c.dim))), IntegerAttr());
  x = arith::AddFOp::create(b, g.loc("attn_residual"), x, linear(o, "attn_output"));

  h = norm(x, "ffn_norm.weight");
  Value gate = linear(h, "ffn_gate"), up = linear(h, "ffn_up");
  h = GLUOp::create(b, g.loc("ffn_glu"), gate, up, ActivationKind::silu);
  x = arith::AddFOp::create(b, g.loc("ffn_residual"), x, linear(h, "ffn_down"));
  return {x, cache};
}

llvm::Error buildDense(const ModelSource &source, ModuleOp module, const DenseFamily &family) {
  GraphBuilder g(source, module);
  OpBuilder &b = g.b;
  DenseConfig c = readConfig(g, family.arch);
  if (llvm::Error error = g.check())
    return error;

  SmallVector<LayerTensor> tensors = denseTensors(c);
  llvm::append_range(tensors, family.more(c));
  g.declare("token_embd.weight", {c.vocab, c.hidden});
  LayerStack stack = g.declareLayers(c.layers, tensors);
  g.declare("output_norm.weight", {c.hidden});
  if (g.has("output.weight"))
    g.declare("output.weight", {c.vocab, c.hidden});
  bool divided = family.ropeDivisors && g.has("rope_freqs.weight");
  if (divided)
    g.declare("rope_freqs.weight", {c.dim / 2});
  g.refuseUndeclared();
  if (llvm::Error error = g.check())
    return error;

  g.setAttr("family", b.getStringAttr(family.arch));
  g.setAttr("name", b.getStringAttr(c.name));
  g.setAttr("source", b.getStringAttr(llvm::sys::path::filename(source.path)));
  g.setAttr("vocab", c.vocab);
  g.setAttr("hidden", c.hidden);
  g.setAttr("layers", c.layers);
  g.setAttr("model_context", c.context);
  if (family.interleaved) {
    IntegerAttr qHeads = b.getI64IntegerAttr(c.heads), kHeads = b.getI64IntegerAttr(c.kvHeads);
    g.setAttr("unpermute", b.getDictionaryAttr({b.getNamedAttr("attn_q.weight", qHeads),
                                                b.getNamedAttr("attn_q.bias", qHeads),
                                                b.getNamedAttr("attn_k.weight", kHeads),
                                                b.getNamedAttr("attn_k.bias", kHeads)}));
  }

  auto cacheType = CacheType::get(b.getContext(), "full_kv", c.layers, c.kvHeads, c.dim, b.getF32Type(), 0);
  func::FuncOp forward = g.function("forward", {g.ids(), g.ids(), g.ids(), cacheType},
                                    {g.activation(c.vocab), cacheType}, /*isPrivate=*/false);
  Value tokens = forward.getArgument(0), positions = forward.getArgument(1), rows = forward.getArgument(2);
  Value table = g.param("token_embd.weight");
  Value x = EmbeddingOp::create(b, g.loc("token_embd.weight"), tokens, table);
  Value divisors = divided ? g.param("rope_freqs.weight") : Value();
  Value angles = RopeAnglesOp::create(b, g.loc("rope_angles"), positions, divisors, c.dim,
                                      llvm::APFloat(c.theta), llvm::APFloat(c.ropeScale));
  ValueRange out = g.layers(family.arch.str() + "_layer", stack, {x, forward.getArgument(3)}, {positions, angles},
                            [&](const GraphBuilder::Layer &layer) { return buildLayer(g, c, layer); });
  x = SelectRowsOp::create(b, g.loc("select_rows"), out[0], rows);
  x = RMSNormOp::create(b, g.loc("output_norm.weight"), x, g.param("output_norm.weight"), llvm::APFloat(c.epsilon));
  Value head = g.has("output.weight") ? g.param("output.weight") : table;
  Value logits = LinearOp::create(b, g.loc("output.weight"), x, head, Value());
  func::ReturnOp::create(b, g.loc("forward"), ValueRange{logits, out[1]});
  return llvm::Error::success();
}

} // namespace heddle::import
