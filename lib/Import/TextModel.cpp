//===- TextModel.cpp - The text model of a multimodal one -----------------===//
//
// https://huggingface.co/docs/transformers: configs of a composite model nest
// those of its parts.
//
//===----------------------------------------------------------------------===//
#include "TextModel.h"
#include "heddle/Import/SpanReader.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

namespace heddle::import {

namespace {
// Their text models see images as rows of their input and nothing else.
constexpr llvm::StringRef kComposites[] = {
    "GotOcr2ForConditionalGeneration",   "Idefics3ForConditionalGeneration",
    "InternVLForConditionalGeneration",  "LlavaForConditionalGeneration",
    "LlavaNextForConditionalGeneration", "Mistral3ForConditionalGeneration",
    "SmolVLMForConditionalGeneration"};
constexpr llvm::StringRef kText = "text_config.";

// As versions of transformers call the text model.
constexpr std::pair<llvm::StringRef, llvm::StringRef> kPrefixes[] = {
    {"language_model.model.", "model."},
    {"language_model.lm_head.", "lm_head."},
    {"model.language_model.", "model."},
    {"model.text_model.", "model."}};

bool isComposite(const ModelSource &source) {
  const MetaValue *names = source.findMeta("architectures");
  const auto *list =
      names ? std::get_if<std::vector<std::string>>(names) : nullptr;
  return list && list->size() == 1 &&
         llvm::is_contained(kComposites, list->front()) &&
         source.findMeta((kText + "model_type").str());
}
} // namespace

bool takeTextConfig(ModelSource &source) {
  if (!isComposite(source))
    return false;
  std::vector<std::pair<std::string, MetaValue>> taken;
  llvm::StringSet<> names;
  auto take = [&](llvm::StringRef name, const MetaValue &value) {
    if (names.insert(name).second)
      taken.emplace_back(name.str(), value);
  };
  // The outer config ties the head; whose code runs and how weights are stored
  // is said of the whole.
  for (const auto &[key, value] : source.metadata)
    if (llvm::StringRef name = key; name == "tie_word_embeddings" ||
                                    name == "auto_map" ||
                                    name.starts_with("auto_map.") ||
                                    name.starts_with("quantization_config"))
      take(name, value);
  for (const auto &[key, value] : source.metadata)
    if (llvm::StringRef name = key;
        name.consume_front(kText) && name != "architectures")
      take(name, value);
  for (const char *name : {"bos_token_id", "eos_token_id", "pad_token_id"})
    if (const MetaValue *value = source.findMeta(name))
      take(name, *value);
  llvm::sort(taken,
             [](const auto &a, const auto &b) { return a.first < b.first; });
  source.metadata = std::move(taken);
  source.metadataPath += ": text_config";
  source.index();
  return true;
}

llvm::Error takeTextTensors(ModelSource &source) {
  llvm::StringSet<> names;
  for (TensorEntry &tensor : source.tensors) {
    for (auto [from, to] : kPrefixes)
      if (llvm::StringRef rest = tensor.name; rest.consume_front(from)) {
        tensor.name = (to + rest).str();
        break;
      }
    if (!names.insert(tensor.name).second)
      return malformed(source.path, "tensor name",
                       "duplicate " + quoted(tensor.name),
                       "one name in the text model");
  }
  return llvm::Error::success();
}

} // namespace heddle::import
