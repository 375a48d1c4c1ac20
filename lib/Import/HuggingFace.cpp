//===- HuggingFace.cpp - Opening a directory of safetensors ---------------===//
#include "heddle/Import/HuggingFace.h"
#include "BlockScales.h"
#include "Generation.h"
#include "Safetensors.h"
#include "TextModel.h"
#include "heddle/Import/Json.h"
#include "heddle/Import/SpanReader.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include <fmt/format.h>
#include <map>

namespace heddle::import {

namespace {
class HuggingFaceSource final : public ModelSource {
public:
  /// Errors: as openHuggingFace.
  llvm::Error open();

private:
  llvm::Expected<std::optional<llvm::json::Object>>
  readJson(llvm::StringRef name, uint64_t maxBytes);
  llvm::Error readConfig();
  llvm::Error readGeneration();
  llvm::Error readShards(const llvm::json::Object &index);
  llvm::Error readShard(llvm::StringRef name, MappedFile file);
  std::string fileIn(llvm::StringRef name) const {
    return path + "/" + name.str();
  }

  std::vector<MappedFile> parts;
  HeaderBudget budget;
};
} // namespace

// Names for a message, of which a few are enough.
static std::string someOf(llvm::ArrayRef<std::string> names) {
  constexpr size_t kMost = 8;
  std::string text;
  for (const std::string &name : names.take_front(kMost))
    text += (text.empty() ? "" : ", ") + quoted(name);
  return names.size() > kMost
             ? text + fmt::format(" and {} more", names.size() - kMost)
             : text;
}

llvm::Expected<std::optional<llvm::json::Object>>
HuggingFaceSource::readJson(llvm::StringRef name, uint64_t maxBytes) {
  auto file = openModelFile(path, name);
  if (!file)
    return file.takeError();
  if (!*file)
    return std::nullopt;
  llvm::StringRef text = llvm::toStringRef((*file)->bytes());
  if (text.size() > maxBytes)
    return failure(ExitCode::Limit,
                   fmt::format("{}: size = {}, limit {}", fileIn(name),
                               text.size(), maxBytes));
  auto object = parseObject(fileIn(name), text);
  if (!object)
    return object.takeError();
  return std::optional<llvm::json::Object>(std::move(*object));
}

llvm::Error HuggingFaceSource::readConfig() {
  metadataPath = fileIn("config.json");
  auto config = readJson("config.json", 4 << 20);
  if (!config)
    return config.takeError();
  if (!*config)
    return malformed(metadataPath, "config.json", "missing file",
                     "a file beside the weights");
  flatten(**config, "", metadata);
  llvm::sort(metadata,
             [](const auto &a, const auto &b) { return a.first < b.first; });
  // "a": {"b": 1} and "a.b": 1 would be one key.
  for (size_t i = 1; i < metadata.size(); ++i)
    if (metadata[i - 1].first == metadata[i].first)
      return malformed(metadataPath, "JSON key",
                       "duplicate " + quoted(metadata[i].first), "unique keys");
  return llvm::Error::success();
}

llvm::Error HuggingFaceSource::readGeneration() {
  auto object = readJson("generation_config.json", 1 << 20);
  if (!object)
    return object.takeError();
  if (*object)
    if (llvm::Error error = readGenerationConfig(
            fileIn("generation_config.json"), **object, generation))
      return error;
  // transformers looks there where no generation config names any.
  return generation.endTokens.empty() ? readEndTokens(*this, generation)
                                      : llvm::Error::success();
}

llvm::Error HuggingFaceSource::readShard(llvm::StringRef name,
                                         MappedFile file) {
  if (llvm::Error error =
          readSafetensors(fileIn(name), file.bytes(), budget, tensors))
    return error;
  parts.push_back(std::move(file));
  return llvm::Error::success();
}

// `weight_map` says in which shard a tensor is.
llvm::Error HuggingFaceSource::readShards(const llvm::json::Object &index) {
  std::string file = fileIn("model.safetensors.index.json");
  const llvm::json::Object *map = index.getObject("weight_map");
  if (!map || map->empty())
    return malformed(file, "weight_map", map ? "empty" : "absent",
                     "an object of tensors and files");
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto &[tensor, shard] : *map) {
    auto name = shard.getAsString();
    if (!name)
      return malformed(file, "weight_map of " + quoted(tensor),
                       quoted(llvm::formatv("{0}", shard).str()),
                       "a file name");
    shards[name->str()].push_back(llvm::StringRef(tensor).str());
  }
  std::vector<std::string> missing;
  llvm::StringMap<llvm::StringRef> shardOf;
  for (const auto &[name, named] : shards) {
    auto part = openModelFile(path, name);
    if (!part)
      return part.takeError();
    if (!*part) {
      missing.push_back(name);
      continue;
    }
    size_t first = tensors.size();
    if (llvm::Error error = readShard(name, std::move(**part)))
      return error;
    for (size_t i = first; i < tensors.size(); ++i)
      if (auto [at, isNew] = shardOf.try_emplace(tensors[i].name, name); !isNew)
        return malformed(fileIn(name), "tensor name",
                         "duplicate " + quoted(tensors[i].name),
                         "unique names, that of " + at->second);
  }
  if (!missing.empty())
    return malformed(file, "shards", "missing " + someOf(missing),
                     "files of the directory");
  for (const auto &[name, named] : shards)
    for (const std::string &tensor : named)
      if (auto at = shardOf.find(tensor);
          at == shardOf.end() || at->second != name)
        missing.push_back(tensor);
  llvm::sort(missing);
  if (!missing.empty())
    return malformed(file, "weight_map",
                     "tensors missing in their shards: " + someOf(missing),
                     "those of the shards");
  return llvm::Error::success();
}

llvm::Error HuggingFaceSource::open() {
  if (llvm::Error error = readConfig())
    return error;
  index();
  bool isComposite = takeTextConfig(*this);
  if (llvm::Error error = readGeneration())
    return error;
  // The single file goes before an index, as in transformers.
  auto single = openModelFile(path, "model.safetensors");
  if (!single)
    return single.takeError();
  if (*single) {
    if (llvm::Error error = readShard("model.safetensors", std::move(**single)))
      return error;
  } else {
    auto shards = readJson("model.safetensors.index.json", 64 << 20);
    if (!shards)
      return shards.takeError();
    if (!*shards) {
      auto pickle = openModelFile(path, "pytorch_model.bin");
      if (pickle && *pickle)
        return failure(ExitCode::Unsupported,
                       fileIn("pytorch_model.bin") +
                           ": format = pickle, supported is safetensors");
      llvm::consumeError(pickle.takeError());
      return malformed(
          path, "weights",
          "neither model.safetensors nor model.safetensors.index.json",
          "one of them");
    }
    if (llvm::Error error = readShards(**shards))
      return error;
  }
  if (isComposite)
    if (llvm::Error error = takeTextTensors(*this))
      return error;
  if (llvm::Error error = joinBlockScales(*this))
    return error;
  index();
  return llvm::Error::success();
}

bool claimsHuggingFace(llvm::StringRef path) {
  return llvm::sys::fs::is_directory(path);
}

llvm::Expected<std::unique_ptr<ModelSource>>
openHuggingFace(llvm::StringRef path) {
  auto source = std::make_unique<HuggingFaceSource>();
  source->path =
      path.find_last_not_of('/') == path.npos ? "/" : path.rtrim('/').str();
  source->format = "huggingface";
  source->untypedNumbers = true;
  if (llvm::Error error = source->open())
    return std::move(error);
  return source;
}

} // namespace heddle::import
