//===- MoE.cpp - Decoders whose gated units are experts -------------------===//
#include "DenseDecoder.h"
#include "Families.h"

namespace heddle::import {

// Converters write a Mixtral as a llama GGUF with an expert_count.
llvm::Error buildMixtral(const ModelSource &source, mlir::ModuleOp module) {
  if (source.format != "huggingface")
    return failure(ExitCode::Unsupported,
                   source.path + ": general.architecture = 'mixtral', "
                                 "supported is llama, which converters write");
  return buildDense(source, module,
                    {.arch = "mixtral",
                     .context = 131072,
                     .kvHeads = 8,
                     .experts = {.presence = Presence::Yes,
                                 .widthKey = "intermediate_size",
                                 .normsAlways = true,
                                 .count = 8,
                                 .used = 2}});
}

llvm::Error buildQwen2MoE(const ModelSource &source, mlir::ModuleOp module) {
  return buildDense(source, module,
                    {.arch = "qwen2moe",
                     .qkvBias = true,
                     .context = 32768,
                     .kvHeads = 16,
                     .window = 4096,
                     .windowed = Windows::EverySecond,
                     .experts = {.presence = Presence::Yes,
                                 .shared = ExpertFamily::Shared::Gated,
                                 .count = 60,
                                 .used = 4,
                                 .width = 1408}});
}

llvm::Error buildQwen3MoE(const ModelSource &source, mlir::ModuleOp module) {
  return buildDense(source, module,
                    {.arch = "qwen3moe",
                     .optionalBias = true,
                     .headNorms = true,
                     .context = 32768,
                     .kvHeads = 4,
                     .window = 4096,
                     .windowed = Windows::Everywhere,
                     .experts = {.presence = Presence::Yes,
                                 .norms = true,
                                 .count = 128,
                                 .used = 8,
                                 .width = 768}});
}

llvm::Error buildOLMoE(const ModelSource &source, mlir::ModuleOp module) {
  return buildDense(source, module,
                    {.arch = "olmoe",
                     .optionalBias = true,
                     .wholeNorms = true,
                     .context = 4096,
                     .experts = {.presence = Presence::Yes,
                                 .widthKey = "intermediate_size",
                                 .count = 64,
                                 .used = 8}});
}

llvm::Error buildGptOss(const ModelSource &source, mlir::ModuleOp module) {
  return buildDense(source, module,
                    {.arch = "gpt-oss",
                     .attentionBias = true,
                     .sinks = true,
                     .context = 131072,
                     .kvHeads = 8,
                     .dim = 64,
                     .window = 128,
                     .windowed = Windows::Alternating,
                     .theta = 150000,
                     .epsilon = 1e-5,
                     .yarnTruncates = false,
                     .experts = {.presence = Presence::Yes,
                                 .widthKey = "intermediate_size",
                                 .softmaxOfChosen = true,
                                 .biases = true,
                                 .clamped = true,
                                 .count = 128,
                                 .used = 4}});
}

llvm::Error buildDeepSeek(const ModelSource &source, mlir::ModuleOp module) {
  return buildDense(source, module,
                    {.arch = "deepseek",
                     .optionalBias = true,
                     .interleaved = true,
                     .context = 2048,
                     .experts = {.presence = Presence::Yes,
                                 .countKey = "n_routed_experts",
                                 .shared = ExpertFamily::Shared::Plain,
                                 .width = 1407}});
}

llvm::Error buildDeepSeekV2(const ModelSource &source, mlir::ModuleOp module) {
  // Both write themselves as a deepseek2 GGUF, V3 with a router of sigmoids.
  if (const MetaValue *gating = source.findMeta("deepseek2.expert_gating_func"))
    if (source.format != "huggingface" && *gating == MetaValue(uint64_t(2)))
      return buildDeepSeekV3(source, module);
  return buildDense(source, module,
                    {.arch = "deepseek2",
                     .context = 2048,
                     .latent = true,
                     .experts = {.presence = Presence::Yes,
                                 .countKey = "n_routed_experts",
                                 .shared = ExpertFamily::Shared::Plain,
                                 .width = 1407}});
}

llvm::Error buildDeepSeekV3(const ModelSource &source, mlir::ModuleOp module) {
  return buildDense(source, module,
                    {.arch = "deepseek2",
                     .context = 4096,
                     .latent = true,
                     .experts = {.presence = Presence::Yes,
                                 .countKey = "n_routed_experts",
                                 .norms = true,
                                 .shared = ExpertFamily::Shared::Plain,
                                 .sigmoid = true,
                                 .width = 2048}});
}

} // namespace heddle::import
