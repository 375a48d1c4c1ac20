//===- Generate.cpp - PROG [generate] [PROMPT] ----------------------------===//

#include "Generation.h"
#include "Output.h"
#include "Run.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <nlohmann/json.hpp>

namespace heddle::rt {

namespace {

constexpr int64_t kDefaultCount = 128;

std::vector<int32_t> readPrompt(const Program &program, Bpe *bpe,
                                const Options &options) {
  int sources = options.text.has_value() + options.textFile.has_value() +
                options.tokens.has_value() + options.messagesFile.has_value();
  if (sources > 1)
    fail(ExitCode::Usage, "prompts = " + std::to_string(sources) +
                              ", limit one of PROMPT, --prompt-file, "
                              "--messages-file and --tokens");
  if (options.messagesFile && options.raw)
    fail(ExitCode::Usage, "--raw = given, limit none with --messages-file");
  std::vector<int32_t> ids;
  if (options.tokens) {
    ids = parseTokens(*options.tokens, program.manifest().vocab);
  } else if (options.messagesFile) {
    ids = encodeConversation(*bpe, needTemplate(program, *bpe),
                             readConversation(options));
  } else {
    std::string text = options.text       ? *options.text
                       : options.textFile ? readFile(*options.textFile)
                                          : readInput();
    if (!options.raw && bpe->chat()) {
      Conversation conversation;
      addMessage(conversation, "user", text);
      conversation.trusted = options.special;
      ids = encodeConversation(*bpe, *bpe->chat(), conversation);
    } else {
      if (bpe->addBos)
        ids.push_back(*bpe->bos);
      std::vector<int32_t> rest = encodeText(*bpe, text, options.special);
      ids.insert(ids.end(), rest.begin(), rest.end());
    }
    // Something must be there to predict from.
    if (ids.empty() && bpe->bos) {
      printNote("the prompt is empty: generating from the BOS token");
      ids.push_back(*bpe->bos);
    }
  }
  if (ids.empty())
    fail(ExitCode::Malformed, "prompt = 0 tokens, limit at least 1");
  return ids;
}

// Tokens to generate; the last one needs no position.
int64_t chooseCount(const Options &options, int64_t prompt, int64_t context) {
  int64_t most = context - prompt + 1;
  if (!options.count)
    return std::min(kDefaultCount, std::max<int64_t>(most, 0));
  if (*options.count > most && *options.count > 0)
    fail(ExitCode::Limit,
         "positions = " + std::to_string(prompt + *options.count - 1) +
             " (prompt " + std::to_string(prompt) + ", -n " +
             std::to_string(*options.count) + "), limit " +
             std::to_string(context) + " (the context of this run)",
         most > 0 ? "`-n " + std::to_string(most) + "`" : "");
  return *options.count;
}

} // namespace

int runGenerate(Program &program, const Options &options) {
  bool needsText = options.print != PrintMode::Tokens || !options.tokens ||
                   !options.stops.empty();
  // Bad ids are a mistake whether or not there is a tokenizer.
  if (options.tokens)
    (void)parseTokens(*options.tokens, program.manifest().vocab);
  std::unique_ptr<Bpe> bpe;
  const std::vector<int32_t> &ends = program.manifest().stopTokens;
  // Ids alone work without a tokenizer, and with one that is not known.
  if (needsText)
    bpe = loadTokenizer(program);
  std::vector<int32_t> prompt = readPrompt(program, bpe.get(), options);

  int64_t most = prompt.size() + options.count.value_or(kDefaultCount);
  Run run(program, options, /*positions=*/most, /*logitsRows=*/1,
          /*extraBytes=*/prompt.size() * sizeof(int32_t) * 2 +
              program.manifest().vocab * 32);
  Session &session = *run.session;
  if (static_cast<int64_t>(prompt.size()) > session.context())
    fail(ExitCode::Limit,
         "prompt = " + std::to_string(prompt.size()) + " tokens, limit " +
             std::to_string(session.context()) + " (the context of this run)");
  int64_t count = chooseCount(options, prompt.size(), session.context());

  Sampler sampler(chooseSampling(program, options));
  GenerationRequest request;
  request.prompt = prompt;
  request.count = count;
  request.bpe = bpe.get();
  request.ends = ends;
  if (options.print == PrintMode::Text)
    request.onText = [](const std::string &ready) { printOut(ready); };
  size_t printed = 0;
  if (options.print == PrintMode::Tokens)
    request.onToken = [&](int32_t id) {
      printOut((printed++ ? "," : "") + std::to_string(id));
    };
  Generated result =
      generate(session, program.manifest().vocab, sampler, options, request);
  if (options.print == PrintMode::Json) {
    nlohmann::json object = {{"text", result.text},
                             {"tokens", result.tokens},
                             {"prompt_tokens", prompt.size()},
                             {"finish_reason", result.reason}};
    printOut(object.dump() + "\n");
  } else if (options.print == PrintMode::Tokens || outputIsTerminal()) {
    // Text is printed as it is; only a terminal needs the line ended.
    printOut("\n");
  }
  return 0;
}

} // namespace heddle::rt
