//===- Generation.cpp - What a checkpoint says of generating --------------===//
#include "Generation.h"
#include "heddle/Import/Json.h"
#include "heddle/Import/SpanReader.h"
#include "llvm/ADT/STLExtras.h"
#include <fmt/format.h>

namespace heddle::import {

namespace {
/// Where a format has the fields that programs honour.
struct SamplingKeys {
  llvm::StringRef temperature, topP, minP, topK;
};
/// A field that programs do not honour, and the value that asks for nothing.
struct Neutral {
  llvm::StringRef key;
  double value;
};
/// Metadata of their own for the typed getters.
struct Fields final : ModelSource {};
} // namespace

static llvm::Error readSampling(const ModelSource &own,
                                const SamplingKeys &keys,
                                GenerationDefaults &out) {
  auto real = [&](llvm::StringRef key, double most,
                  std::optional<double> &value) -> llvm::Error {
    if (!own.findMeta(key))
      return llvm::Error::success();
    auto read = own.getFloat(key, 0, most);
    if (!read)
      return read.takeError();
    value = *read;
    return llvm::Error::success();
  };
  if (llvm::Error error = real(keys.temperature, 1e6, out.temperature))
    return error;
  if (llvm::Error error = real(keys.topP, 1, out.topP))
    return error;
  if (llvm::Error error = real(keys.minP, 1, out.minP))
    return error;
  if (!own.findMeta(keys.topK))
    return llvm::Error::success();
  auto topK = own.getInt(keys.topK, 0, INT32_MAX);
  if (!topK)
    return topK.takeError();
  out.topK = *topK;
  return llvm::Error::success();
}

// Whether the value changes nothing: false, an empty list, and a number that
// is neutral.
static bool isNeutral(const MetaValue &value, double neutral) {
  if (const bool *b = std::get_if<bool>(&value))
    return !*b;
  if (const auto *i = std::get_if<int64_t>(&value))
    return double(*i) == neutral;
  if (const auto *u = std::get_if<uint64_t>(&value))
    return double(*u) == neutral;
  if (const auto *list = std::get_if<std::vector<int64_t>>(&value))
    return list->empty();
  const auto *d = std::get_if<double>(&value);
  // Written as float32 in a GGUF file.
  return d && (*d == neutral || float(*d) == float(neutral));
}

llvm::Error readEndTokens(const ModelSource &source, GenerationDefaults &out) {
  constexpr size_t kMost = 1024;
  const MetaValue *value = source.findMeta("eos_token_id");
  if (!value || std::holds_alternative<std::monostate>(*value))
    return llvm::Error::success();
  llvm::StringRef file = source.metadataFile();
  llvm::ArrayRef<int64_t> ids;
  if (const auto *list = std::get_if<std::vector<int64_t>>(value))
    ids = *list;
  else if (const auto *id = std::get_if<int64_t>(value))
    ids = *id;
  else
    return malformed(file, "eos_token_id", source.shown("eos_token_id"),
                     "an integer in [0, 2147483647] or a list of them");
  if (ids.size() > kMost)
    return failure(ExitCode::Limit,
                   fmt::format("{}: eos_token_id = {} ids, limit {}",
                               file.str(), ids.size(), kMost));
  for (int64_t id : ids) {
    if (id < 0 || id > INT32_MAX)
      return malformed(file, "eos_token_id", llvm::Twine(id),
                       "integer in [0, 2147483647]");
    if (!llvm::is_contained(out.endTokens, id))
      out.endTokens.push_back(id);
  }
  out.endTokensFile = file.str();
  return llvm::Error::success();
}

llvm::Error readGenerationConfig(llvm::StringRef file,
                                 const llvm::json::Object &object,
                                 GenerationDefaults &out) {
  // What says nothing of the tokens: where the file is from, the form of
  // transformers' results, how it computes and guesses ahead.
  static constexpr llvm::StringRef kSilent[] = {
      "transformers_version",
      "bos_token_id",
      "pad_token_id",
      "decoder_start_token_id",
      "use_cache",
      "cache_implementation",
      "cache_config",
      "return_legacy_cache",
      "prefill_chunk_size",
      "low_memory",
      "disable_compile",
      "compile_config",
      "output_attentions",
      "output_hidden_states",
      "output_scores",
      "output_logits",
      "return_dict_in_generate",
      "is_assistant",
      "num_assistant_tokens",
      "num_assistant_tokens_schedule",
      "assistant_confidence_threshold",
      "assistant_lookbehind",
      "target_lookbehind",
      "assistant_early_exit",
      "prompt_lookup_num_tokens",
      "max_matching_ngram_size"};
  // transformers' defaults.
  static constexpr Neutral kNeutral[] = {{"max_length", 20},
                                         {"repetition_penalty", 1},
                                         {"encoder_repetition_penalty", 1},
                                         {"length_penalty", 1},
                                         {"num_beams", 1},
                                         {"num_beam_groups", 1},
                                         {"num_return_sequences", 1},
                                         {"typical_p", 1},
                                         {"top_h", 1},
                                         {"guidance_scale", 1}};
  Fields own;
  own.path = file.str();
  own.untypedNumbers = true;
  flatten(object, "", own.metadata);
  std::erase_if(own.metadata, [](const auto &pair) {
    return std::holds_alternative<std::monostate>(pair.second);
  });
  llvm::sort(own.metadata,
             [](const auto &a, const auto &b) { return a.first < b.first; });
  own.index();
  out.file = own.path;
  if (llvm::Error error = readEndTokens(own, out))
    return error;
  if (llvm::Error error =
          readSampling(own, {"temperature", "top_p", "min_p", "top_k"}, out))
    return error;
  auto sample = own.getBool("do_sample", false);
  if (!sample)
    return sample.takeError();
  if (*sample) {
    out.temperature = out.temperature.value_or(1);
    out.topK = out.topK.value_or(50);
  } else {
    out.temperature = 0;
  }
  for (const auto &[key, value] : own.metadata) {
    auto [name, inner] = llvm::StringRef(key).split('.');
    const Neutral *known = llvm::find_if(
        kNeutral, [&](const Neutral &neutral) { return neutral.key == key; });
    bool honoured = llvm::is_contained<llvm::StringRef>(
        {"eos_token_id", "do_sample", "temperature", "top_p", "min_p", "top_k"},
        name);
    if (honoured && !inner.empty())
      return malformed(file, name, "an object", "a value");
    if (!honoured && !name.starts_with("_") &&
        !llvm::is_contained(kSilent, name) &&
        !isNeutral(value, known == std::end(kNeutral) ? 0 : known->value))
      out.ignored.push_back(quoted(key) + " = " + own.shown(key));
  }
  return llvm::Error::success();
}

llvm::Error readSamplingKeys(const ModelSource &source,
                             GenerationDefaults &out) {
  constexpr llvm::StringLiteral kPrefix = "general.sampling.";
  static constexpr SamplingKeys kKeys = {
      "general.sampling.temp", "general.sampling.top_p",
      "general.sampling.min_p", "general.sampling.top_k"};
  static constexpr Neutral kNeutral[] = {{"penalty_repeat", 1}};
  // Of samplers that others switch on.
  static constexpr llvm::StringRef kSilent[] = {
      "xtc_threshold", "penalty_last_n", "mirostat_tau", "mirostat_eta"};
  out.file = source.path;
  if (llvm::Error error = readSampling(source, kKeys, out))
    return error;
  for (const auto &[key, value] : source.metadata) {
    llvm::StringRef name = key;
    if (!name.consume_front(kPrefix) ||
        llvm::is_contained(
            {kKeys.temperature, kKeys.topP, kKeys.minP, kKeys.topK},
            llvm::StringRef(key)) ||
        llvm::is_contained(kSilent, name))
      continue;
    const Neutral *known = llvm::find_if(
        kNeutral, [&](const Neutral &neutral) { return neutral.key == name; });
    if (!isNeutral(value, known == std::end(kNeutral) ? 0 : known->value))
      out.ignored.push_back(quoted(key) + " = " + source.shown(key));
  }
  return llvm::Error::success();
}

} // namespace heddle::import
