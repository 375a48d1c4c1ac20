//===- TokenizerData.cpp - The tokenizer section of a program -------------===//
#include "heddle/Driver/TokenizerData.h"

using namespace heddle;
using llvm::json::Array;
using llvm::json::Object;

llvm::Expected<std::optional<llvm::json::Value>> heddle::tokenizerData(const import::ModelSource &source) {
  auto list = [&](llvm::StringRef key) {
    const import::MetaValue *value = source.findMeta(key);
    return value ? std::get_if<std::vector<std::string>>(value) : nullptr;
  };
  const auto *tokens = list("tokenizer.ggml.tokens");
  if (!tokens)
    return std::nullopt;
  auto strings = [](const std::vector<std::string> &values) {
    Array array;
    for (const std::string &value : values)
      array.push_back(llvm::json::fixUTF8(value));
    return array;
  };
  Object out;
  for (auto [key, name] : {std::pair{"tokenizer.ggml.model", "model"}, {"tokenizer.ggml.pre", "pre"}, {"tokenizer.chat_template", "chat_template"}}) {
    auto value = source.getString(key, "");
    if (!value)
      return value.takeError();
    if (!value->empty())
      out[name] = llvm::json::fixUTF8(*value);
  }
  out["tokens"] = strings(*tokens);
  if (const auto *merges = list("tokenizer.ggml.merges"))
    out["merges"] = strings(*merges);
  if (const import::MetaValue *value = source.findMeta("tokenizer.ggml.token_type"))
    if (const auto *types = std::get_if<std::vector<int64_t>>(value)) {
      Array array;
      for (int64_t type : *types)
        array.push_back(type);
      out["token_types"] = std::move(array);
    }
  for (auto [key, name] : {std::pair{"bos", "bos"}, {"eos", "eos"}, {"unknown", "unk"}, {"padding", "pad"}}) {
    std::string full = std::string("tokenizer.ggml.") + key + "_token_id";
    if (!source.findMeta(full))
      continue;
    auto id = source.getInt(full, 0, tokens->size() - 1);
    if (!id)
      return id.takeError();
    if (llvm::StringRef(name) == "eos")
      out[name] = Array{*id};
    else
      out[name] = *id;
  }
  for (auto [key, name] : {std::pair{"tokenizer.ggml.add_bos_token", "add_bos"}, {"tokenizer.ggml.add_eos_token", "add_eos"}}) {
    auto flag = source.getBool(key, false);
    if (!flag)
      return flag.takeError();
    out[name] = *flag;
  }
  return std::optional<llvm::json::Value>(std::move(out));
}
