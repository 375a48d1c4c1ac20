//===- Manifest.cpp - Reading the manifest --------------------------------===//

#include "heddle/runtime/Failure.h"
#include "heddle/runtime/Program.h"
#include "heddle/runtime/heddle_rt.h"
#include <algorithm>
#include <nlohmann/json.hpp>

using nlohmann::json;

namespace heddle::rt {

namespace {

// Deeper than any manifest; a deeper one was not written by the compiler.
constexpr int kMaxDepth = 8;
// Keeps sums and products of sizes inside int64.
constexpr uint64_t kMaxSize = uint64_t(1) << 48;

[[noreturn]] void bad(const std::string &field, const std::string &value,
                      const std::string &limit) {
  fail(ExitCode::Malformed,
       "manifest: " + field + " = " + value + ", limit " + limit);
}

uint64_t number(const json &object, const char *field, uint64_t low,
                uint64_t high) {
  auto it = object.find(field);
  std::string range = std::to_string(low) + "…" + std::to_string(high);
  if (it == object.end())
    bad(field, "absent", range);
  if (!it->is_number_unsigned())
    bad(field, it->dump(), range);
  uint64_t value = it->get<uint64_t>();
  if (value < low || value > high)
    bad(field, std::to_string(value), range);
  return value;
}

// A number within [0, high], if it is there.
std::optional<double> real(const json &object, const char *field, double high) {
  auto it = object.find(field);
  if (it == object.end())
    return std::nullopt;
  double value = it->is_number() ? it->get<double>() : -1;
  if (!(value >= 0 && value <= high))
    bad(field, it->dump(), "a number from 0 to " + json(high).dump());
  return value;
}

std::string text(const json &object, const char *field) {
  auto it = object.find(field);
  if (it == object.end())
    return "";
  if (!it->is_string())
    bad(field, it->dump(), "a string");
  return it->get<std::string>();
}

// False if it is not there.
bool flag(const json &object, const char *field) {
  auto it = object.find(field);
  if (it != object.end() && !it->is_boolean())
    bad(field, it->dump(), "true or false");
  return it != object.end() && it->get<bool>();
}

std::vector<std::string> texts(const json &object, const char *field) {
  std::vector<std::string> result;
  auto it = object.find(field);
  if (it == object.end())
    return result;
  if (!it->is_array())
    bad(field, it->dump(), "an array of strings");
  for (const json &element : *it) {
    if (!element.is_string())
      bad(field, element.dump(), "an array of strings");
    result.push_back(element.get<std::string>());
  }
  return result;
}

const json &array(const json &object, const char *field) {
  auto it = object.find(field);
  if (it == object.end() || !it->is_array())
    bad(field, it == object.end() ? "absent" : it->dump(), "an array");
  return *it;
}

void readGeneration(const json &root, Manifest &m) {
  constexpr size_t kMostStops = 4096; // each token is compared with all
  auto it = root.find("generation");
  if (it == root.end() || it->is_null())
    return;
  if (!it->is_object())
    bad("generation", it->dump(), "an object");
  m.sampling.temperature = real(*it, "temperature", 1e6);
  m.sampling.topP = real(*it, "top_p", 1);
  m.sampling.minP = real(*it, "min_p", 1);
  if (it->contains("top_k"))
    m.sampling.topK = number(*it, "top_k", 0, INT32_MAX);
  const json &stops = array(*it, "stop_tokens");
  if (stops.size() > kMostStops)
    bad("stop_tokens", std::to_string(stops.size()) + " ids",
        std::to_string(kMostStops));
  for (const json &id : stops) {
    if (!id.is_number_unsigned() ||
        id.get<uint64_t>() >= static_cast<uint64_t>(m.vocab))
      bad("stop_tokens", id.dump(), "0…" + std::to_string(m.vocab - 1));
    m.stopTokens.push_back(id.get<int32_t>());
  }
}

std::vector<int64_t> numbers(const json &object, const char *field,
                             uint64_t high) {
  std::vector<int64_t> list;
  for (const json &value : array(object, field)) {
    if (!value.is_number_unsigned() || value.get<uint64_t>() > high)
      bad(field, value.dump(), "0…" + std::to_string(high));
    list.push_back(value.get<int64_t>());
  }
  return list;
}

// Sets what a program without experts has too: where the dense weights end.
void readExperts(const json &root, Manifest &m, uint64_t weightsBytes) {
  constexpr uint64_t kPage = 4096, kMostExperts = 65536;
  m.denseBytes = weightsBytes;
  auto it = root.find("experts");
  if (it == root.end() || it->is_null())
    return;
  if (!it->is_object())
    bad("experts", it->dump(), "an object");
  m.expertIndex = number(*it, "index", 0, weightsBytes);
  std::vector<bool> seen;
  for (const json &entry : array(*it, "groups")) {
    if (!entry.is_object())
      bad("experts.groups", entry.dump(), "an array of objects");
    ExpertGroup group;
    uint64_t count = number(entry, "experts", 1, kMostExperts);
    group.params = numbers(entry, "params", INT32_MAX);
    group.offset = number(entry, "offset", 0, m.expertIndex);
    group.stride = number(entry, "stride", kPage, kMaxSize / kMostExperts);
    if (group.params.empty())
      bad("experts.groups.params", "[]", "at least one");
    if (group.offset % kPage || group.stride % kPage ||
        group.stride > (m.expertIndex - group.offset) / count)
      bad("experts.groups.end",
          std::to_string(group.offset + group.stride * count),
          std::to_string(m.expertIndex) + ", in whole pages");
    seen.assign(count, false);
    for (int64_t expert : numbers(entry, "order", count - 1)) {
      if (seen[expert])
        bad("experts.groups.order", std::to_string(expert), "each once");
      seen[expert] = true;
      group.order.push_back(static_cast<int32_t>(expert));
    }
    if (group.order.size() != count)
      bad("experts.groups.order", std::to_string(group.order.size()),
          std::to_string(count) + " experts");
    if (entry.contains("uses"))
      group.uses = numbers(entry, "uses", INT64_MAX);
    if (!group.uses.empty() && group.uses.size() != count)
      bad("experts.groups.uses", std::to_string(group.uses.size()),
          std::to_string(count) + " experts");
    m.denseBytes = std::min(m.denseBytes, group.offset);
    m.expertGroups.push_back(std::move(group));
  }
  uint64_t index = (m.expertCount() + 2) * 8;
  if (index > weightsBytes - m.expertIndex)
    bad("experts.index", std::to_string(m.expertIndex),
        std::to_string(index) + " bytes before " +
            std::to_string(weightsBytes));
}

} // namespace

uint64_t Manifest::expertBytes() const {
  uint64_t most = 0;
  for (const ExpertGroup &group : expertGroups)
    most = std::max(most, group.stride);
  return most;
}

uint64_t Manifest::expertCount() const {
  uint64_t count = 0;
  for (const ExpertGroup &group : expertGroups)
    count += group.order.size();
  return count;
}

uint64_t Manifest::mostExperts() const {
  uint64_t most = 0;
  for (const ExpertGroup &group : expertGroups)
    most = std::max<uint64_t>(most, group.order.size());
  return most;
}

Manifest parseManifest(const std::string &content, uint64_t weightsBytes) {
  bool tooDeep = false;
  json root = json::parse(
      content,
      [&](int depth, json::parse_event_t, json &) {
        tooDeep |= depth > kMaxDepth;
        return !tooDeep;
      },
      /*allow_exceptions=*/false);
  if (tooDeep || root.is_discarded() || !root.is_object())
    bad("JSON", tooDeep ? "nested too deeply" : "not an object",
        "one object, depth " + std::to_string(kMaxDepth));

  auto version = number(root, "format", 0, kMaxSize);
  if (version != 1)
    fail(ExitCode::Unsupported,
         "manifest: format = " + std::to_string(version) + ", limit 1");
  auto abi = number(root, "abi_version", 0, kMaxSize);
  if (abi != HEDDLE_ABI_VERSION)
    fail(ExitCode::Unsupported,
         "manifest: abi_version = " + std::to_string(abi) + ", limit " +
             std::to_string(HEDDLE_ABI_VERSION));

  Manifest m;
  m.heddleVersion = text(root, "heddle_version");
  m.name = text(root, "name");
  m.family = text(root, "family");
  m.sourceHash = text(root, "source_hash");
  m.sourceFile = text(root, "source_file");
  m.numeric = text(root, "numeric");
  m.target = text(root, "target");
  m.weightsFile = text(root, "weights_file");
  if (m.weightsFile.find('/') != std::string::npos)
    bad("weights_file", m.weightsFile, "a base name");
  constexpr uint64_t maxInt = INT32_MAX;
  m.vocab = number(root, "vocab", 1, maxInt);
  m.layers = number(root, "layers", 0, maxInt);
  m.hidden = number(root, "hidden", 0, maxInt);
  m.parameters = number(root, "parameters", 0, kMaxSize);
  m.context = number(root, "context", 1, maxInt);
  m.modelContext = number(root, "model_context", 1, maxInt);
  m.arenaBytes = number(root, "arena_bytes", 0, kMaxSize);
  m.batchTokens = number(root, "batch_tokens", 1, 1 << 20);
  m.prefillTokens = number(root, "prefill_tokens", 1, 1 << 20);
  m.takesSequences = flag(root, "sequences");
  m.levels = texts(root, "levels");
  m.licenses = texts(root, "licenses");
  readGeneration(root, m);

  if (auto it = root.find("bytes_by_encoding"); it != root.end()) {
    if (!it->is_object())
      bad("bytes_by_encoding", it->dump(), "an object");
    for (auto &[name, value] : it->items())
      m.bytesByEncoding[name] = number(*it, name.c_str(), 0, kMaxSize);
  }
  readExperts(root, m, weightsBytes);
  for (const json &entry : array(root, "params")) {
    if (!entry.is_object())
      bad("params", entry.dump(), "an array of objects");
    ParamEntry p{text(entry, "name"), number(entry, "offset", 0, kMaxSize),
                 number(entry, "bytes", 0, kMaxSize)};
    if (p.offset % 64 != 0)
      bad("params." + p.name + ".offset", std::to_string(p.offset),
          "a multiple of 64");
    for (size_t g = 0; g < m.expertGroups.size() && p.group < 0; ++g)
      if (const auto &list = m.expertGroups[g].params;
          std::find(list.begin(), list.end(),
                    static_cast<int64_t>(m.params.size())) != list.end())
        p.group = static_cast<int64_t>(g);
    uint64_t most = p.group < 0 ? m.denseBytes : m.expertGroups[p.group].stride;
    if (p.offset > most || p.bytes > most - p.offset)
      bad("params." + p.name + ".end", std::to_string(p.offset + p.bytes),
          std::to_string(most));
    m.params.push_back(std::move(p));
  }
  for (const ExpertGroup &group : m.expertGroups)
    for (int64_t index : group.params)
      if (index >= static_cast<int64_t>(m.params.size()))
        bad("experts.groups.params", std::to_string(index),
            std::to_string(m.params.size()) + " parameters");
  for (const json &entry : array(root, "caches")) {
    if (!entry.is_object())
      bad("caches", entry.dump(), "an array of objects");
    m.caches.push_back(
        {text(entry, "name"),
         number(entry, "bytes_per_position", 0, uint64_t(1) << 32),
         number(entry, "position_multiple", 1, 1 << 20),
         entry.contains("of_step") && flag(entry, "of_step")});
  }
  if (root.contains("kernels"))
    for (const json &entry : array(root, "kernels")) {
      if (!entry.is_object())
        bad("kernels", entry.dump(), "an array of objects");
      m.kernels.push_back(
          {text(entry, "step"), text(entry, "kernel"),
           text(entry, "instruction"), number(entry, "times", 0, 1 << 20),
           number(entry, "operations_per_token", 0, kMaxSize),
           number(entry, "operations_per_position", 0, kMaxSize),
           number(entry, "weight_bytes", 0, kMaxSize),
           number(entry, "cache_bytes_per_position", 0, kMaxSize),
           flag(entry, "selected_rows")});
    }
  return m;
}

} // namespace heddle::rt
