//===- Family.cpp - A decoder with a squared ReLU -------------------------===//
//
// Pre-normed attention with rotary positions, then up, squared ReLU, a factor,
// down. Metadata is under `relu2.`; the embedding table is the head too.
//
//===----------------------------------------------------------------------===//
#include "Parts.h"
#include "heddle/Import/GraphBuilder.h"
#include "llvm/Support/Path.h"
#include <cmath>

using namespace mlir;
using namespace heddle;
using namespace heddle::import;

static llvm::Error build(const ModelSource &source, ModuleOp module) {
  GraphBuilder g(source, module);
  OpBuilder &b = g.b;
  int64_t layers = g.integer("relu2.block_count", 1, 10000);
  int64_t width = g.integer("relu2.embedding_length", 1, 1 << 20);
  int64_t ff = g.integer("relu2.feed_forward_length", 1, 1 << 24);
  int64_t heads = g.integer("relu2.attention.head_count", 1, 1 << 16);
  int64_t context = g.integer("relu2.context_length", 1, INT32_MAX);
  int64_t vocab = g.integer("relu2.vocab_size", 1, INT32_MAX);
  llvm::APFloat epsilon(
      g.number("relu2.attention.layer_norm_rms_epsilon", 1e-12, 1));
  float factor = g.number("relu2.feed_forward_scale", -1e6, 1e6, 1.0);
  g.refuseUnknownKeys(
      "relu2.", {"block_count", "embedding_length", "feed_forward_length",
                 "attention.head_count", "context_length", "vocab_size",
                 "attention.layer_norm_rms_epsilon", "feed_forward_scale"});
  if (!g.isMalformed() && width % (2 * heads))
    g.malformed("relu2.embedding_length", Twine(width),
                "a multiple of twice head_count = " + Twine(heads));
  if (llvm::Error error = g.check())
    return error;

  int64_t dim = width / heads;
  g.declare("token_embd.weight", {vocab, width});
  LayerStack stack =
      g.declareLayers(layers, {{"attn_norm.weight", {width}},
                               {"attn_q.weight", {width, width}},
                               {"attn_k.weight", {width, width}},
                               {"attn_v.weight", {width, width}},
                               {"attn_output.weight", {width, width}},
                               {"ffn_norm.weight", {width}},
                               {"ffn_up.weight", {ff, width}},
                               {"ffn_down.weight", {width, ff}}});
  g.declare("output_norm.weight", {width});
  g.refuseUndeclared();
  if (llvm::Error error = g.check())
    return error;

  g.setAttr("family", b.getStringAttr("relu2"));
  g.setAttr("name", b.getStringAttr(g.string("general.name", "relu2")));
  g.setAttr("source", b.getStringAttr(llvm::sys::path::filename(source.path)));
  g.setAttr("vocab", vocab);
  g.setAttr("hidden", width);
  g.setAttr("layers", layers);
  g.setAttr("model_context", context);

  auto cacheType = CacheType::get(b.getContext(), "full_kv", layers, heads, dim,
                                  b.getF32Type(), 0);
  func::FuncOp forward =
      g.function("forward", {g.ids(), g.ids(), g.ids(), cacheType},
                 {g.activation(vocab), cacheType}, /*isPrivate=*/false);
  Value tokens = forward.getArgument(0), positions = forward.getArgument(1),
        rows = forward.getArgument(2);
  Value table = g.param("token_embd.weight");
  Value x = EmbeddingOp::create(b, g.loc("token_embd"), tokens, table);
  Value angles = RopeAnglesOp::create(
      b, g.loc("rope_angles"), positions, Value(), dim,
      /*theta=*/llvm::APFloat(10000.0),
      /*scale=*/llvm::APFloat(1.0),
      /*amplitude=*/llvm::APFloat(1.0), DenseF64ArrayAttr(),
      DenseF64ArrayAttr(), IntegerAttr());
  auto layer = [&](const GraphBuilder::Layer &p) -> SmallVector<Value> {
    Value x = p.carried[0], cache = p.carried[1];
    auto norm = [&](Value v, StringRef name) -> Value {
      return RMSNormOp::create(b, g.loc(name), v, p[name], epsilon);
    };
    auto linear = [&](Value v, StringRef name) -> Value {
      return LinearOp::create(b, g.loc(name), v, p[name], Value());
    };
    auto add = [&](Value v, Value w) -> Value {
      return arith::AddFOp::create(b, g.loc("residual"), v, w);
    };
    Value h = norm(x, "attn_norm.weight");
    Value q = RopeOp::create(b, g.loc("rope_q"), linear(h, "attn_q.weight"),
                             p.shared[1], heads);
    Value k = RopeOp::create(b, g.loc("rope_k"), linear(h, "attn_k.weight"),
                             p.shared[1], heads);
    cache =
        CacheAppendOp::create(b, g.loc("cache"), cache, p.slot, k,
                              linear(h, "attn_v.weight"), p.shared[0], Value());
    Value o = AttentionOp::create(
        b, g.loc("attention"), q, cache, p.slot, p.shared[0], Value(), Value(),
        heads, llvm::APFloat(1 / std::sqrt(double(dim))), IntegerAttr());
    x = add(x, linear(o, "attn_output.weight"));
    h = linear(norm(x, "ffn_norm.weight"), "ffn_up.weight");
    h = example::Relu2Op::create(b, g.loc("ffn_relu2"), h);
    h = example::ScaleOp::create(b, g.loc("ffn_scale"), h,
                                 llvm::APFloat(factor));
    return {add(x, linear(h, "ffn_down.weight")), cache};
  };
  ValueRange out = g.layers("relu2_layer", stack, {x, forward.getArgument(3)},
                            {positions, angles}, layer);
  x = SelectRowsOp::create(b, g.loc("select_rows"), out[0], rows);
  x = RMSNormOp::create(b, g.loc("output_norm"), x,
                        g.param("output_norm.weight"), epsilon);
  Value logits = LinearOp::create(b, g.loc("output"), x, table, Value());
  func::ReturnOp::create(b, g.loc("forward"), ValueRange{logits, out[1]});
  return llvm::Error::success();
}

const Family example::family = {"relu2", "dense decoder with a squared ReLU",
                                build};
