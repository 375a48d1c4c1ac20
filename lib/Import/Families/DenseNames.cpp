//===- DenseNames.cpp - What formats call the tensors of a decoder --------===//
#include "DenseDecoder.h"

using namespace mlir;

namespace heddle::import {

TensorNames denseNames(const ModelSource &source, const DenseFamily &family) {
  static constexpr TensorNames::Pair model[] = {
      {"token_embd", "model.embed_tokens"},
      {"output_norm", "model.norm"},
      {"output", "lm_head"}};
  static constexpr TensorNames::Pair layer[] = {
      {"attn_norm", "input_layernorm"},
      {"attn_q", "self_attn.q_proj"},
      {"attn_k", "self_attn.k_proj"},
      {"attn_v", "self_attn.v_proj"},
      {"attn_output", "self_attn.o_proj"},
      {"attn_q_a", "self_attn.q_a_proj"},
      {"attn_q_a_norm", "self_attn.q_a_layernorm"},
      {"attn_q_b", "self_attn.q_b_proj"},
      {"attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa"},
      {"attn_kv_a_norm", "self_attn.kv_a_layernorm"},
      {"attn_kv_b", "self_attn.kv_b_proj"},
      {"attn_sinks.weight", "self_attn.sinks"},
      {"exp_probs_b.bias", "mlp.gate.e_score_correction_bias"},
      {"attn_q_norm", "self_attn.q_norm"},
      {"attn_k_norm", "self_attn.k_norm"},
      {"ffn_norm", "post_attention_layernorm"},
      {"ffn_gate", "mlp.gate_proj"},
      {"ffn_up", "mlp.up_proj"},
      {"ffn_down", "mlp.down_proj"}};
  // Experts one by one, by two spellings, and stacked as transformers has them
  // in memory.
  static constexpr TensorNames::Pair mlp[] = {
      {"ffn_gate_inp", "mlp.gate"},
      {"ffn_gate_exps", "mlp.experts.*.gate_proj"},
      {"ffn_up_exps", "mlp.experts.*.up_proj"},
      {"ffn_down_exps", "mlp.experts.*.down_proj"}};
  static constexpr TensorNames::Pair blockSparse[] = {
      {"ffn_gate_inp", "block_sparse_moe.gate"},
      {"ffn_gate_exps", "block_sparse_moe.experts.*.w1"},
      {"ffn_up_exps", "block_sparse_moe.experts.*.w3"},
      {"ffn_down_exps", "block_sparse_moe.experts.*.w2"}};
  // gpt-oss has gates and ups in turn: as columns of transposed matrices, or in
  // MXFP4 as rows (BlockScales.h). Its biases are [experts, gates and ups].
  static constexpr TensorNames::Pair alternating[] = {
      {"ffn_gate_inp", "mlp.router"},
      {"ffn_gate_exps", "mlp.experts.gate_up_proj^T#0%2"},
      {"ffn_up_exps", "mlp.experts.gate_up_proj^T#1%2"},
      {"ffn_down_exps", "mlp.experts.down_proj^T"},
      {"ffn_gate_exps.bias", "mlp.experts.gate_up_proj_bias^T#0%2^T"},
      {"ffn_up_exps.bias", "mlp.experts.gate_up_proj_bias^T#1%2^T"},
      {"ffn_down_exps.bias", "mlp.experts.down_proj_bias"}};
  static constexpr TensorNames::Pair blocks[] = {
      {"ffn_gate_inp", "mlp.router"},
      {"ffn_gate_exps", "mlp.experts.gate_up_proj_blocks#0%2"},
      {"ffn_up_exps", "mlp.experts.gate_up_proj_blocks#1%2"},
      {"ffn_down_exps", "mlp.experts.down_proj_blocks#0/1"},
      {"ffn_gate_exps.bias", "mlp.experts.gate_up_proj_bias^T#0%2^T"},
      {"ffn_up_exps.bias", "mlp.experts.gate_up_proj_bias^T#1%2^T"},
      {"ffn_down_exps.bias", "mlp.experts.down_proj_bias"}};
  static constexpr TensorNames::Pair stacked[] = {
      {"ffn_gate_inp", "mlp.gate"},
      {"ffn_gate_exps", "mlp.experts.gate_up_proj#0/2"},
      {"ffn_up_exps", "mlp.experts.gate_up_proj#1/2"},
      {"ffn_down_exps", "mlp.experts.down_proj#0/1"}};
  // In a GGUF, all but what converters call by its name in the checkpoint.
  static constexpr TensorNames::Pair afterAttention[] = {
      {"ffn_norm", "post_attention_norm"}};
  if (source.format != "huggingface")
    return family.sinks ? TensorNames{"blk.", {}, afterAttention}
                        : TensorNames();
  static constexpr TensorNames::Pair one[] = {
      {"ffn_gate_inp_shexp", "mlp.shared_expert_gate"},
      {"ffn_gate_shexp", "mlp.shared_expert.gate_proj"},
      {"ffn_up_shexp", "mlp.shared_expert.up_proj"},
      {"ffn_down_shexp", "mlp.shared_expert.down_proj"}};
  static constexpr TensorNames::Pair several[] = {
      {"ffn_gate_shexp", "mlp.shared_experts.gate_proj"},
      {"ffn_up_shexp", "mlp.shared_experts.up_proj"},
      {"ffn_down_shexp", "mlp.shared_experts.down_proj"}};
  // The first layers may have no experts.
  auto has = [&](StringRef name) {
    return llvm::any_of(source.tensors, [&](const TensorEntry &t) {
      StringRef rest = t.name;
      uint64_t number;
      return rest.consume_front("model.layers.") &&
             !rest.consumeInteger(10, number) && rest.consume_front(".") &&
             rest == name;
    });
  };
  TensorNames names = {"model.layers.", model, layer, mlp, one};
  if (family.experts.biases)
    names.experts =
        has("mlp.experts.gate_up_proj_blocks") ? blocks : alternating;
  else if (has("block_sparse_moe.gate.weight"))
    names.experts = blockSparse;
  else if (has("mlp.experts.gate_up_proj"))
    names.experts = stacked;
  if (has("mlp.shared_experts.gate_proj.weight"))
    names.shared = several;
  return names;
}

} // namespace heddle::import
