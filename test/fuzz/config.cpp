//===- config.cpp - Fuzzes config.json and generation_config.json ---------===//
//
// The two texts, a NUL between them, beside the weights of a llama of one
// layer. A config that fits them goes on to become a graph.
//
//===----------------------------------------------------------------------===//
#include "Families/Families.h"
#include "Fuzz.h"
#include "heddle/Import/Family.h"
#include "heddle/Import/HuggingFace.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Endian.h"
#include <memory>

using namespace heddle;
using namespace heddle::import;

namespace {
// As test/Import/safetensors_bytes.py has them.
constexpr std::pair<const char *, std::pair<int, int>> kTensors[] = {
    {"model.embed_tokens.weight", {24, 8}},
    {"lm_head.weight", {24, 8}},
    {"model.norm.weight", {8, 0}},
    {"model.layers.0.input_layernorm.weight", {8, 0}},
    {"model.layers.0.self_attn.q_proj.weight", {8, 8}},
    {"model.layers.0.self_attn.k_proj.weight", {8, 8}},
    {"model.layers.0.self_attn.v_proj.weight", {8, 8}},
    {"model.layers.0.self_attn.o_proj.weight", {8, 8}},
    {"model.layers.0.post_attention_layernorm.weight", {8, 0}},
    {"model.layers.0.mlp.gate_proj.weight", {12, 8}},
    {"model.layers.0.mlp.up_proj.weight", {12, 8}},
    {"model.layers.0.mlp.down_proj.weight", {8, 12}}};

std::string weights() {
  std::string header;
  llvm::raw_string_ostream os(header);
  int at = 0;
  for (auto &[name, shape] : kTensors) {
    int bytes = 4 * shape.first * std::max(shape.second, 1);
    os << (at ? "," : "{") << '"' << name << "\":{\"dtype\":\"F32\",\"shape\":["
       << shape.first;
    if (shape.second)
      os << ',' << shape.second;
    os << "],\"data_offsets\":[" << at << ',' << at + bytes << "]}";
    at += bytes;
  }
  os << '}';
  char length[8];
  llvm::support::endian::write64le(length, header.size());
  return std::string(length, 8) + header + std::string(at, '\0');
}

// Attributes stay in a context for good, so it is made anew now and then.
mlir::MLIRContext &context() {
  static std::unique_ptr<mlir::MLIRContext> current;
  static unsigned uses = 0;
  if (uses++ % 256 == 0)
    current = std::make_unique<mlir::MLIRContext>(
        mlir::MLIRContext::Threading::DISABLED);
  return *current;
}
} // namespace

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  fuzz::addEncodings();
  static constexpr Architecture llama[] = {{"LlamaForCausalLM", "llama"}};
  static constexpr Architecture mistral[] = {{"MistralForCausalLM", "mistral"}};
  static constexpr Architecture qwen2[] = {{"Qwen2ForCausalLM", "qwen2"}};
  static constexpr Architecture qwen3[] = {{"Qwen3ForCausalLM", "qwen3"}};
  for (const Family &family : {Family{"llama", "", buildLlama, llama},
                               Family{"mistral", "", buildMistral, mistral},
                               Family{"qwen2", "", buildQwen2, qwen2},
                               Family{"qwen3", "", buildQwen3, qwen3}})
    llvm::cantFail(families().add(family, "fuzz"));
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static fuzz::Directory *directory = [] {
    static fuzz::Directory made;
    made.write("model.safetensors", weights());
    return &made;
  }();
  llvm::StringRef rest(reinterpret_cast<const char *>(data), size);
  directory->write("config.json", fuzz::nextText(rest));
  if (llvm::StringRef generation = fuzz::nextText(rest); !generation.empty())
    directory->write("generation_config.json", generation);
  else
    directory->remove("generation_config.json");
  auto source = openHuggingFace(directory->path);
  if (!source) {
    fuzz::refused(source.takeError());
    return 0;
  }
  if (auto module = importModel(context(), **source); !module)
    fuzz::refused(module.takeError());
  return 0;
}
