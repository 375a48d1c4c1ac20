//===- Generation.h - Tokens after tokens ----------------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_GENERATION_H
#define HEDDLE_RUNTIME_APP_GENERATION_H

#include "Bpe.h"
#include "Options.h"
#include "Sampler.h"
#include "heddle/runtime/Session.h"
#include <functional>
#include <string>
#include <vector>

namespace heddle::rt {

struct Generated {
  std::vector<int32_t> tokens;   // the one that ended it included
  std::string text;              // before a stop text; "" without a tokenizer
  const char *reason = "length"; // or "eos", "stop"
};

struct GenerationRequest {
  std::vector<int32_t> prompt;                     // fed first, not empty
  int64_t count = 0;                               // tokens at most
  Bpe *bpe = nullptr;                              // null: no text
  std::vector<int32_t> ends;                       // tokens that end it
  std::function<void(const std::string &)> onText; // as it becomes certain
  std::function<void(int32_t)> onToken;
};

/// Feeds the prompt and what is drawn, the last token excepted. Of `options`:
/// stop texts and whether to go on past an end token.
Generated generate(Session &session, int64_t vocab, Sampler &sampler,
                   const Options &options, const GenerationRequest &request);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_GENERATION_H
