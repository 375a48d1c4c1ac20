//===- ModelSource.cpp - Typed access to a checkpoint's metadata ----------===//
#include "heddle/Import/ModelSource.h"
#include "heddle/Import/SpanReader.h"
#include <fmt/format.h>

namespace heddle::import {

ModelSource::~ModelSource() = default;

void ModelSource::index() {
  tensorIndex.clear();
  metaIndex.clear();
  for (size_t i = 0; i < tensors.size(); ++i)
    tensorIndex.try_emplace(tensors[i].name, i);
  for (size_t i = 0; i < metadata.size(); ++i)
    metaIndex.try_emplace(metadata[i].first, i);
}

const TensorEntry *ModelSource::find(llvm::StringRef name) const {
  auto it = tensorIndex.find(name);
  return it == tensorIndex.end() ? nullptr : &tensors[it->second];
}

const MetaValue *ModelSource::findMeta(llvm::StringRef key) const {
  auto it = metaIndex.find(key);
  return it == metaIndex.end() ? nullptr : &metadata[it->second].second;
}

static std::string describe(const MetaValue &value) {
  struct Describe {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(int64_t v) const { return fmt::format("{}", v); }
    std::string operator()(uint64_t v) const { return fmt::format("{}", v); }
    std::string operator()(double v) const { return fmt::format("{}", v); }
    std::string operator()(const std::string &v) const { return quoted(v); }
    std::string operator()(const std::vector<int64_t> &v) const {
      return fmt::format("array of {} integers", v.size());
    }
    std::string operator()(const std::vector<double> &v) const {
      return fmt::format("array of {} floats", v.size());
    }
    std::string operator()(const std::vector<std::string> &v) const {
      return fmt::format("array of {} strings", v.size());
    }
    std::string operator()(std::monostate) const { return "null"; }
  };
  return std::visit(Describe{}, value);
}

std::string ModelSource::shown(llvm::StringRef key) const {
  const MetaValue *value = findMeta(key);
  return value ? describe(*value) : "absent";
}

llvm::Error ModelSource::checkEndTokens(int64_t vocab) const {
  for (int64_t id : generation.endTokens)
    if (id >= vocab)
      return malformed(generation.endTokensFile, "eos_token_id",
                       llvm::Twine(id),
                       "integer in [0, " + llvm::Twine(vocab - 1) + "]");
  return llvm::Error::success();
}

static llvm::Error absent(const ModelSource &source, llvm::StringRef key,
                          const llvm::Twine &limit) {
  return malformed(source.metadataFile(), key, "absent", limit);
}

llvm::Expected<int64_t> ModelSource::getInt(llvm::StringRef key, int64_t min,
                                            int64_t max) const {
  std::string limit = fmt::format("integer in [{}, {}]", min, max);
  const MetaValue *value = findMeta(key);
  if (!value)
    return absent(*this, key, limit);
  if (auto *i = std::get_if<int64_t>(value); i && *i >= min && *i <= max)
    return *i;
  if (auto *u = std::get_if<uint64_t>(value); u && *u <= uint64_t{INT64_MAX} &&
                                              int64_t(*u) >= min &&
                                              int64_t(*u) <= max)
    return int64_t(*u);
  return malformed(metadataFile(), key, describe(*value), limit);
}

llvm::Expected<int64_t> ModelSource::getInt(llvm::StringRef key, int64_t min,
                                            int64_t max,
                                            int64_t fallback) const {
  if (!findMeta(key))
    return fallback;
  return getInt(key, min, max);
}

llvm::Expected<double> ModelSource::getFloat(llvm::StringRef key, double min,
                                             double max) const {
  std::string limit = fmt::format("number in [{}, {}]", min, max);
  const MetaValue *value = findMeta(key);
  if (!value)
    return absent(*this, key, limit);
  // Written so that a NaN, for which every comparison is false, is refused.
  if (auto *d = std::get_if<double>(value); d && *d >= min && *d <= max)
    return *d;
  if (auto *i = std::get_if<int64_t>(value);
      i && untypedNumbers && double(*i) >= min && double(*i) <= max)
    return double(*i);
  return malformed(metadataFile(), key, describe(*value), limit);
}

llvm::Expected<double> ModelSource::getFloat(llvm::StringRef key, double min,
                                             double max,
                                             double fallback) const {
  if (!findMeta(key))
    return fallback;
  return getFloat(key, min, max);
}

llvm::Expected<std::string> ModelSource::getString(llvm::StringRef key) const {
  const MetaValue *value = findMeta(key);
  if (!value)
    return absent(*this, key, "string");
  if (auto *s = std::get_if<std::string>(value))
    return *s;
  return malformed(metadataFile(), key, describe(*value), "string");
}

llvm::Expected<std::string> ModelSource::getString(llvm::StringRef key,
                                                   std::string fallback) const {
  if (!findMeta(key))
    return fallback;
  return getString(key);
}

llvm::Expected<bool> ModelSource::getBool(llvm::StringRef key,
                                          bool fallback) const {
  const MetaValue *value = findMeta(key);
  if (!value)
    return fallback;
  if (auto *b = std::get_if<bool>(value))
    return *b;
  return malformed(metadataFile(), key, describe(*value), "true or false");
}

llvm::Expected<std::vector<std::string>>
ModelSource::getStrings(llvm::StringRef key) const {
  const MetaValue *value = findMeta(key);
  if (!value)
    return std::vector<std::string>();
  if (auto *list = std::get_if<std::vector<std::string>>(value))
    return *list;
  return malformed(metadataFile(), key, describe(*value), "a list of strings");
}

} // namespace heddle::import
