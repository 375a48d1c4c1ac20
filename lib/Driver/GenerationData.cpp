//===- GenerationData.cpp - How a program generates by default ------------===//
#include "heddle/Driver/GenerationData.h"
#include "heddle/Import/SpanReader.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <fmt/format.h>

using namespace heddle;

// What ends a text: the checkpoint's ids, then the tokenizer's. A program knows
// no others.
static llvm::Expected<llvm::json::Array>
stopTokens(const import::ModelSource &source,
           const std::optional<llvm::json::Value> &tokenizer, int64_t vocab) {
  if (llvm::Error error = source.checkEndTokens(vocab))
    return std::move(error);
  llvm::json::Array stops(source.generation.endTokens);
  const llvm::json::Array *ends =
      tokenizer ? tokenizer->getAsObject()->getArray("eos") : nullptr;
  for (const llvm::json::Value &id : ends ? *ends : llvm::json::Array()) {
    if (*id.getAsInteger() >= vocab)
      return import::malformed(
          source.path, "eos token", llvm::Twine(*id.getAsInteger()),
          "integer in [0, " + llvm::Twine(vocab - 1) + "]");
    if (!llvm::is_contained(stops, id))
      stops.push_back(id);
  }
  return stops;
}

llvm::Expected<llvm::json::Value>
heddle::generationData(const import::ModelSource &source,
                       const std::optional<llvm::json::Value> &tokenizer,
                       int64_t vocab) {
  constexpr size_t kShown = 8;
  auto stops = stopTokens(source, tokenizer, vocab);
  if (!stops)
    return stops.takeError();
  const import::GenerationDefaults &said = source.generation;
  llvm::json::Object out{{"stop_tokens", std::move(*stops)}};
  for (auto [value, name] : {std::pair{said.temperature, "temperature"},
                             {said.topP, "top_p"},
                             {said.minP, "min_p"}})
    if (value)
      out[name] = *value;
  if (said.topK)
    out["top_k"] = *said.topK;
  if (size_t count = said.ignored.size()) {
    size_t shown = std::min(count, kShown);
    std::string line =
        llvm::join(said.ignored.begin(), said.ignored.begin() + shown, ", ");
    if (count > shown)
      line += fmt::format(" and {} more", count - shown);
    warning(said.file + ": ignored: " + line);
  }
  return llvm::json::Value(std::move(out));
}
