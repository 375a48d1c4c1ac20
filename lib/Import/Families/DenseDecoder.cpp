//===- DenseDecoder.cpp - Decoders of attention and a gated unit ----------===//
#include "DenseDecoder.h"
#include "heddle/Import/SpanReader.h"
#include "llvm/Support/Path.h"
#include <cmath>

using namespace mlir;

namespace heddle::import {

// What a layer has.
static SmallVector<LayerTensor>
layerTensors(const DenseConfig &c, const DenseFamily &family, int64_t layer) {
  int64_t d = c.hidden, q = c.heads * c.dim, kv = c.kvHeads * c.dim;
  SmallVector<LayerTensor> tensors = {{"attn_norm.weight", {d}},
                                      {"ffn_norm.weight", {d}}};
  const LatentConfig &l = c.latent;
  if (family.latent) {
    q = c.heads * (l.plain + l.rotated);
    if (l.queryRank)
      tensors.append({{"attn_q_a.weight", {l.queryRank, d}},
                      {"attn_q_a_norm.weight", {l.queryRank}},
                      {"attn_q_b.weight", {q, l.queryRank}}});
    else
      tensors.push_back({"attn_q.weight", {q, d}});
    tensors.append({{"attn_kv_a_mqa.weight", {l.rank + l.rotated, d}},
                    {"attn_kv_a_norm.weight", {l.rank}},
                    {l.keys, {c.heads, l.rank, l.plain}},
                    {l.values, {c.heads, l.value, l.rank}},
                    {"attn_output.weight", {d, c.heads * l.value}}});
  } else {
    tensors.append({{"attn_q.weight", {q, d}},
                    {"attn_k.weight", {kv, d}},
                    {"attn_v.weight", {kv, d}},
                    {"attn_output.weight", {d, q}}});
  }
  bool sparse = c.hasExperts(layer);
  if (int64_t e = c.experts, i = c.expertWidth; sparse) {
    tensors.append({{"ffn_gate_inp.weight", {e, d}},
                    {"ffn_gate_exps.weight", {e, i, d}},
                    {"ffn_up_exps.weight", {e, i, d}},
                    {"ffn_down_exps.weight", {e, d, i}}});
    if (family.experts.sigmoid)
      tensors.push_back({"exp_probs_b.bias", {e}});
    if (family.experts.biases)
      tensors.append({{"ffn_gate_inp.bias", {e}},
                      {"ffn_gate_exps.bias", {e, i}},
                      {"ffn_up_exps.bias", {e, i}},
                      {"ffn_down_exps.bias", {e, d}}});
    if (int64_t s = c.sharedWidth)
      tensors.append({{"ffn_gate_shexp.weight", {s, d}},
                      {"ffn_up_shexp.weight", {s, d}},
                      {"ffn_down_shexp.weight", {d, s}}});
    if (c.sharedWidth && family.experts.shared == ExpertFamily::Shared::Gated)
      tensors.push_back({"ffn_gate_inp_shexp.weight", {d}});
  } else {
    tensors.append({{"ffn_gate.weight", {c.ff, d}},
                    {"ffn_up.weight", {c.ff, d}},
                    {"ffn_down.weight", {d, c.ff}}});
  }
  auto add = [&](Presence presence,
                 std::initializer_list<std::pair<StringRef, int64_t>> vectors) {
    for (auto [suffix, size] : vectors)
      if (presence != Presence::No)
        tensors.push_back({suffix, {size}, presence == Presence::IfStored});
  };
  add(c.qkvBias,
      {{"attn_q.bias", q}, {"attn_k.bias", kv}, {"attn_v.bias", kv}});
  add(c.outputBias, {{"attn_output.bias", d}});
  if (family.sinks)
    add(Presence::Yes, {{"attn_sinks.weight", c.heads}});
  if (!sparse)
    add(c.mlpBias,
        {{"ffn_gate.bias", c.ff}, {"ffn_up.bias", c.ff}, {"ffn_down.bias", d}});
  if (family.headNorms)
    add(Presence::Yes,
        {{"attn_q_norm.weight", c.dim}, {"attn_k_norm.weight", c.dim}});
  if (family.wholeNorms)
    add(Presence::Yes, {{"attn_q_norm.weight", q}, {"attn_k_norm.weight", kv}});
  return tensors;
}

// Attention over latents in the absorbed form: all heads share one key, the
// rotated part and the latent, whose head is wider than what was projected;
// values are the latent. W_UK moves from the keys to the queries, W_UV behind
// the attention.
static std::pair<Value, Value>
buildLatentAttention(GraphBuilder &g, const DenseConfig &c,
                     const GraphBuilder::Layer &p, Value h,
                     llvm::function_ref<Value(Value, StringRef)> norm,
                     llvm::function_ref<Value(Value, StringRef)> linear) {
  OpBuilder &b = g.b;
  const LatentConfig &l = c.latent;
  Value positions = p.shared[0], angles = p.shared[1];
  auto slice = [&](StringRef name, Value v, int64_t heads, int64_t first,
                   int64_t size) -> Value {
    return SliceHeadsOp::create(b, g.loc(name), v, heads, first, size);
  };
  auto rope = [&](StringRef name, Value v, int64_t heads) -> Value {
    auto op = RopeOp::create(b, g.loc(name), v, angles, heads);
    op.setInterleaved(l.interleaved);
    return op;
  };
  Value q = l.queryRank
                ? linear(norm(linear(h, "attn_q_a"), "attn_q_a_norm.weight"),
                         "attn_q_b")
                : linear(h, "attn_q");
  Value kv = linear(h, "attn_kv_a_mqa");
  Value latent =
      norm(slice("latent", kv, 1, 0, l.rank), "attn_kv_a_norm.weight");
  Value key = ConcatHeadsOp::create(
      b, g.loc("key"),
      rope("rope_k", slice("key_rotated", kv, 1, l.rank, l.rotated), 1), latent,
      1);
  Value absorbed = LinearOp::create(
      b, g.loc("absorbed"), slice("query_plain", q, c.heads, 0, l.plain),
      p[l.keys], Value());
  Value query = ConcatHeadsOp::create(
      b, g.loc("query"),
      rope("rope_q", slice("query_rotated", q, c.heads, l.plain, l.rotated),
           c.heads),
      absorbed, c.heads);
  Value cache = CacheAppendOp::create(b, g.loc("cache"), p.carried[1], p.slot,
                                      key, key, positions, Value());
  Value mixed = AttentionOp::create(
      b, g.loc("attention"), query, cache, p.slot, positions, Value(), Value(),
      c.heads,
      llvm::APFloat(c.rope.scoreScale / std::sqrt(double(l.plain + l.rotated))),
      IntegerAttr());
  Value o =
      LinearOp::create(b, g.loc("values"),
                       slice("mixed_latent", mixed, c.heads, l.rotated, l.rank),
                       p[l.values], Value());
  return {o, cache};
}

static SmallVector<Value> buildLayer(GraphBuilder &g, const DenseConfig &c,
                                     const DenseFamily &family,
                                     const GraphBuilder::Layer &p) {
  OpBuilder &b = g.b;
  Value x = p.carried[0], cache = p.carried[1], slot = p.slot;
  Value positions = p.shared[0], angles = p.shared[1];
  auto norm = [&](Value v, StringRef name, int64_t groups = 1) -> Value {
    auto op =
        RMSNormOp::create(b, g.loc(name), v, p[name], llvm::APFloat(c.epsilon));
    op.setGroups(groups);
    return op;
  };
  auto linear = [&](Value v, StringRef name) -> Value {
    Value bias = p[(name + ".bias").str()];
    return LinearOp::create(b, g.loc(name), v, p[(name + ".weight").str()],
                            bias);
  };
  auto headNorm = [&](Value v, StringRef name, int64_t heads) {
    return p[name] ? norm(v, name, family.wholeNorms ? 1 : heads) : v;
  };
  auto number = [&](double value, double usual) {
    return value == usual ? FloatAttr() : b.getF64FloatAttr(value);
  };
  auto activation =
      family.experts.clamped
          ? ActivationAttr::get(b.getContext(), ActivationKind::oai,
                                number(c.limit, 7), number(c.alpha, 1.702))
          : ActivationAttr::get(b.getContext(), ActivationKind::silu, {}, {});
  auto gatedUnit = [&](Value v, StringRef suffix) {
    auto name = [&](StringRef stem) { return (stem + suffix).str(); };
    Value gate = linear(v, name("ffn_gate")), up = linear(v, name("ffn_up"));
    Value made = GLUOp::create(b, g.loc(name("ffn_glu")), gate, up, activation);
    return linear(made, name("ffn_down"));
  };

  Value h = norm(x, "attn_norm.weight");
  Value o;
  if (family.latent) {
    std::tie(o, cache) = buildLatentAttention(
        g, c, p, h, [&](Value v, StringRef name) { return norm(v, name); },
        linear);
  } else {
    Value q = linear(h, "attn_q"), k = linear(h, "attn_k"),
          v = linear(h, "attn_v");
    q = RopeOp::create(b, g.loc("rope_q"),
                       headNorm(q, "attn_q_norm.weight", c.heads), angles,
                       c.heads);
    k = RopeOp::create(b, g.loc("rope_k"),
                       headNorm(k, "attn_k_norm.weight", c.kvHeads), angles,
                       c.kvHeads);
    cache = CacheAppendOp::create(b, g.loc("cache"), cache, slot, k, v,
                                  positions, Value());
    o = AttentionOp::create(
        b, g.loc("attention"), q, cache, slot, positions, Value(),
        p["attn_sinks.weight"], c.heads,
        llvm::APFloat(1 / std::sqrt(double(c.dim))),
        p.kind->variant ? b.getI64IntegerAttr(p.kind->variant) : IntegerAttr());
  }
  x = arith::AddFOp::create(b, g.loc("attn_residual"), x,
                            linear(o, "attn_output"));

  h = norm(x, "ffn_norm.weight");
  if (!p["ffn_gate_inp.weight"]) {
    x = arith::AddFOp::create(b, g.loc("ffn_residual"), x, gatedUnit(h, ""));
    return {x, cache};
  }
  auto router = RouterAttr::get(
      b.getContext(), c.expertsUsed,
      family.experts.softmaxOfChosen ? "none"
      : family.experts.sigmoid       ? "sigmoid"
                                     : "softmax",
      family.experts.softmaxOfChosen ? "softmax" : "none",
      c.expertNorm ? "sum" : "none",
      family.experts.sigmoid && c.expertNorm ? b.getF64FloatAttr(1e-20)
                                             : FloatAttr(),
      number(c.expertScale, 1), c.expertGroups, c.expertGroupsKept,
      family.experts.sigmoid && c.expertGroups > 1 ? "sum_top2" : "max",
      "neg_inf");
  auto route = RouteOp::create(b, g.loc("route"), linear(h, "ffn_gate_inp"),
                               p["exp_probs_b.bias"], router);
  Value y = ExpertsOp::create(
      b, g.loc("experts"), h, route.getIds(), route.getWeights(),
      p["ffn_gate_exps.weight"], p["ffn_up_exps.weight"],
      p["ffn_down_exps.weight"], p["ffn_gate_exps.bias"], p["ffn_up_exps.bias"],
      p["ffn_down_exps.bias"], activation, RowsAttr());
  if (p["ffn_gate_shexp.weight"]) {
    Value shared = gatedUnit(h, "_shexp");
    if (Value gate = p["ffn_gate_inp_shexp.weight"])
      shared = GateRowsOp::create(b, g.loc("shared_gate"), shared, h, gate);
    y = arith::AddFOp::create(b, g.loc("shared_expert"), y, shared);
  }
  x = arith::AddFOp::create(b, g.loc("ffn_residual"), x, y);
  return {x, cache};
}

// A head that is stored and tied must be the table.
static void checkTied(GraphBuilder &g) {
  const TensorEntry *table = g.find("token_embd.weight"),
                    *head = g.find("output.weight");
  if (table && head &&
      (table->encoding != head->encoding || table->bytes != head->bytes))
    g.malformedTensor("tensor " + quoted(head->name),
                      "other values than " + quoted(table->name),
                      "the same: tie_word_embeddings = true");
}

// Whether a tensor that the config does not speak of belongs to the experts,
// the router or the gated unit of one of the layers: then the config is of
// another model. Layers beyond, which predict further tokens, may be left out.
static bool isOfExperts(StringRef name, const DenseConfig &c,
                        const DenseFamily &family) {
  int64_t layer;
  if (family.experts.presence != Presence::Yes ||
      !name.consume_front("model.layers.") || name.consumeInteger(10, layer) ||
      layer >= c.layers ||
      (!name.starts_with(".mlp.") && !name.starts_with(".block_sparse_moe.")))
    return false;
  static constexpr StringRef kEnds[] = {".weight", ".bias", "_bias", "_proj"};
  return llvm::any_of(kEnds,
                      [&](StringRef end) { return name.ends_with(end); });
}

llvm::Error buildDense(const ModelSource &source, ModuleOp module,
                       const DenseFamily &family) {
  GraphBuilder g(source, module, denseNames(source, family));
  OpBuilder &b = g.b;
  bool isGGUF = source.format != "huggingface";
  DenseConfig c =
      isGGUF ? readGGUFConfig(g, family) : readHuggingFaceConfig(g, family);
  if (llvm::Error error = g.check())
    return error;

  g.declare("token_embd.weight", {c.vocab, c.hidden});
  LayerStack stack = g.declareLayers(
      c.layers, [&](int64_t layer) { return layerTensors(c, family, layer); },
      c.windows);
  g.declare("output_norm.weight", {c.hidden});
  if (!c.tied || g.has("output.weight"))
    g.declare("output.weight", {c.vocab, c.hidden});
  bool divided = isGGUF && family.ropeDivisors && g.has("rope_freqs.weight");
  if (divided)
    g.declare("rope_freqs.weight", {c.dim / 2});
  if (isGGUF)
    g.refuseUndeclared();
  else
    g.ignoreUndeclared(
        [&](StringRef name) { return isOfExperts(name, c, family); });
  if (c.tied)
    checkTied(g);
  if (llvm::Error error = g.check())
    return error;
  g.warn();

  StringRef file = llvm::sys::path::filename(source.path);
  g.setAttr("family", b.getStringAttr(family.arch));
  g.setAttr("name", b.getStringAttr(c.name.empty() ? file : StringRef(c.name)));
  g.setAttr("source", b.getStringAttr(file));
  g.setAttr("vocab", c.vocab);
  g.setAttr("hidden", c.hidden);
  g.setAttr("layers", c.layers);
  g.setAttr("model_context", c.context);
  RopeTable rope = ropeTable(c.rope, c.dim);
  if (!rope.beyond.empty())
    g.setAttr("default_context", std::min(rope.original, c.context));
  if (isGGUF && family.interleaved) {
    IntegerAttr qHeads = b.getI64IntegerAttr(c.heads),
                kHeads = b.getI64IntegerAttr(c.kvHeads);
    g.setAttr("unpermute",
              b.getDictionaryAttr({b.getNamedAttr("attn_q.weight", qHeads),
                                   b.getNamedAttr("attn_q.bias", qHeads),
                                   b.getNamedAttr("attn_k.weight", kHeads),
                                   b.getNamedAttr("attn_k.bias", kHeads)}));
  }

  auto cacheType =
      CacheType::get(b.getContext(), "full_kv", c.layers, c.kvHeads,
                     family.latent ? c.latent.rank + c.latent.rotated : c.dim,
                     b.getF32Type(), 0);
  func::FuncOp forward =
      g.function("forward", {g.ids(), g.ids(), g.ids(), cacheType},
                 {g.activation(c.vocab), cacheType}, /*isPrivate=*/false);
  Value tokens = forward.getArgument(0), positions = forward.getArgument(1),
        rows = forward.getArgument(2);
  Value table = g.param("token_embd.weight");
  Value x = EmbeddingOp::create(b, g.loc("token_embd.weight"), tokens, table);
  Value divisors = divided ? g.param("rope_freqs.weight") : Value();
  auto list = [&](const std::vector<double> &values) {
    return values.empty() ? DenseF64ArrayAttr()
                          : b.getDenseF64ArrayAttr(values);
  };
  Value angles = RopeAnglesOp::create(
      b, g.loc("rope_angles"), positions, divisors, c.dim,
      llvm::APFloat(c.rope.theta), llvm::APFloat(rope.scale),
      llvm::APFloat(rope.amplitude), list(rope.frequencies), list(rope.beyond),
      rope.original ? b.getI64IntegerAttr(rope.original) : IntegerAttr());
  std::string layer = family.arch.str() + "_layer";
  std::replace(layer.begin(), layer.end(), '-', '_'); // a symbol of code
  ValueRange out =
      g.layers(layer, stack, {x, forward.getArgument(3)}, {positions, angles},
               [&](const GraphBuilder::Layer &layer) {
                 return buildLayer(g, c, family, layer);
               });
  x = SelectRowsOp::create(b, g.loc("select_rows"), out[0], rows);
  x = RMSNormOp::create(b, g.loc("output_norm.weight"), x,
                        g.param("output_norm.weight"),
                        llvm::APFloat(c.epsilon));
  Value head = c.tied ? table : g.param("output.weight");
  Value logits = LinearOp::create(b, g.loc("output.weight"), x, head, Value());
  func::ReturnOp::create(b, g.loc("forward"), ValueRange{logits, out[1]});
  return llvm::Error::success();
}

} // namespace heddle::import
