//===- Register.cpp - Importers, encodings and families -------------------===//
#include "Families/Families.h"
#include "heddle/Import/HuggingFace.h"
#include "heddle/Plugin/Builtin.h"
#include "heddle/Plugin/Registry.h"

void heddle::import::registerParts(Registry &registry) {
  registry.addImporter(
      {"gguf", "GGUF v3, single and split", claimsGGUF, openGGUF});
  registry.addImporter(
      {"huggingface",
       "directories of config.json and safetensors, single and sharded",
       claimsHuggingFace, openHuggingFace});
  for (const EncodingInfo &encoding : builtinEncodings())
    registry.addEncoding(encoding);
  static constexpr Architecture llama[] = {
      {"LlamaForCausalLM", "llama"},
      {"InternLM3ForCausalLM", "internlm3", /*ownCode=*/true}};
  static constexpr Architecture mistral[] = {{"MistralForCausalLM", "mistral"}};
  static constexpr Architecture qwen2[] = {{"Qwen2ForCausalLM", "qwen2"}};
  static constexpr Architecture qwen3[] = {{"Qwen3ForCausalLM", "qwen3"}};
  static constexpr Architecture mixtral[] = {{"MixtralForCausalLM", "mixtral"}};
  static constexpr Architecture qwen2MoE[] = {
      {"Qwen2MoeForCausalLM", "qwen2_moe"}};
  static constexpr Architecture qwen3MoE[] = {
      {"Qwen3MoeForCausalLM", "qwen3_moe"}};
  static constexpr Architecture olmoe[] = {{"OlmoeForCausalLM", "olmoe"}};
  static constexpr Architecture gptOss[] = {{"GptOssForCausalLM", "gpt_oss"}};
  static constexpr Architecture deepSeek[] = {
      {"DeepseekForCausalLM", "deepseek", /*ownCode=*/true}};
  static constexpr Architecture deepSeekV2[] = {
      {"DeepseekV2ForCausalLM", "deepseek_v2", /*ownCode=*/true}};
  static constexpr Architecture deepSeekV3[] = {
      {"DeepseekV3ForCausalLM", "deepseek_v3", /*ownCode=*/true},
      {"DeepseekV3ForCausalLM", "kimi_k2", /*ownCode=*/true}};
  registry.addFamily({"llama",
                      "Llama 2 and 3, Yi, DeepSeek-LLM and -Coder (v1), "
                      "R1-Distill-Llama, SmolLM 1 and 2, InternLM3; "
                      "Mistral and Mixtral as GGUF",
                      buildLlama, llama});
  registry.addFamily({"mistral",
                      "Mistral 7B, Nemo, Small (text), from Hugging Face",
                      buildMistral, mistral});
  registry.addFamily({"qwen2",
                      "Qwen 1.5, 2 and 2.5 (dense), QwQ, R1-Distill-Qwen",
                      buildQwen2, qwen2});
  registry.addFamily({"qwen3", "Qwen 3 (dense)", buildQwen3, qwen3});
  registry.addFamily({"mixtral", "Mixtral 8x7B and 8x22B, from Hugging Face",
                      buildMixtral, mixtral});
  registry.addFamily({"qwen2_moe", "Qwen 1.5 and 2 (experts)", buildQwen2MoE,
                      qwen2MoE, "qwen2moe"});
  registry.addFamily(
      {"qwen3_moe", "Qwen 3 (experts)", buildQwen3MoE, qwen3MoE, "qwen3moe"});
  registry.addFamily({"olmoe", "OLMoE", buildOLMoE, olmoe});
  registry.addFamily({"gpt_oss", "gpt-oss 20B and 120B (experts in MXFP4)",
                      buildGptOss, gptOss, "gpt-oss"});
  registry.addFamily(
      {"deepseek", "DeepSeek-MoE (v1)", buildDeepSeek, deepSeek});
  registry.addFamily({"deepseek_v2", "DeepSeek-V2 and -V2-Lite",
                      buildDeepSeekV2, deepSeekV2, "deepseek2"});
  registry.addFamily({"deepseek_v3", "DeepSeek-V3, -R1 and -V3.1, Kimi-K2",
                      buildDeepSeekV3, deepSeekV3});
}
