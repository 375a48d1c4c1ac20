//===- Generate.cpp - PROG [generate] [PROMPT] ----------------------------===//

#include "Output.h"
#include "Run.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <nlohmann/json.hpp>

namespace heddle::rt {

namespace {

constexpr int64_t kDefaultCount = 128;

// Text on its way out: holds back what may turn into a stop text.
class StopFilter {
public:
  explicit StopFilter(const std::vector<std::string> &stops) : stops(stops) {}

  // Adds text; returns what can be printed. stopped() tells if a stop text
  // was reached; it and what follows it are swallowed.
  std::string add(const std::string &text) {
    held += text;
    size_t first = std::string::npos;
    for (const std::string &stop : stops)
      first = std::min(first, held.find(stop));
    if (first != std::string::npos) {
      found = true;
      held.resize(first);
      return flush();
    }
    size_t keep = 0;
    for (const std::string &stop : stops)
      for (size_t n = std::min(stop.size() - 1, held.size()); n > keep; --n)
        if (held.compare(held.size() - n, n, stop, 0, n) == 0)
          keep = n;
    std::string ready = held.substr(0, held.size() - keep);
    held.erase(0, held.size() - keep);
    return ready;
  }
  std::string flush() { return std::move(held); }
  bool stopped() const { return found; }

private:
  const std::vector<std::string> &stops;
  std::string held;
  bool found = false;
};

std::vector<int32_t> readPrompt(const Program &program, Bpe *bpe,
                                const Options &options) {
  int sources = options.text.has_value() + options.textFile.has_value() +
                options.tokens.has_value();
  if (sources > 1)
    fail(ExitCode::Usage, "prompts = " + std::to_string(sources) +
                              ", limit one of PROMPT, --prompt-file and "
                              "--tokens");
  std::vector<int32_t> ids;
  if (options.tokens) {
    ids = parseTokens(*options.tokens, program.manifest().vocab);
  } else {
    std::string text = options.text       ? *options.text
                       : options.textFile ? readFile(*options.textFile)
                                          : readInput();
    if (bpe->addBos)
      ids.push_back(*bpe->bos);
    std::vector<int32_t> rest = encodeText(*bpe, text, options.special);
    ids.insert(ids.end(), rest.begin(), rest.end());
    if (bpe->hasChatTemplate && !options.raw)
      printNote("chat template not applied: unsupported in this version, the "
                "prompt is taken as with --raw");
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
  TextStream stream;
  StopFilter filter(options.stops);
  std::vector<int32_t> generated;
  std::string text;
  bool streams = options.print == PrintMode::Text;
  auto emit = [&](const std::string &ready) {
    if (options.print == PrintMode::Json)
      text += ready;
    else if (streams && !ready.empty())
      printOut(ready);
  };

  const char *reason = "length";
  std::vector<int32_t> next = prompt;
  while (static_cast<int64_t>(generated.size()) < count) {
    const float *logits = session.feed(next);
    int32_t id = sampler.next(logits, program.manifest().vocab);
    generated.push_back(id);
    next.assign(1, id);
    if (options.print == PrintMode::Tokens)
      printOut((generated.size() > 1 ? "," : "") + std::to_string(id));
    bool isEnd = std::find(ends.begin(), ends.end(), id) != ends.end();
    if (isEnd && !options.ignoreEos) {
      reason = "eos";
      break;
    }
    if (!bpe || bpe->isControl(id))
      continue;
    emit(filter.add(stream.add(bpe->bytes(id))));
    if (filter.stopped()) {
      reason = "stop";
      break;
    }
  }
  if (!filter.stopped()) {
    emit(filter.add(stream.finish()));
    emit(filter.flush());
  }
  if (options.print == PrintMode::Json) {
    nlohmann::json object = {{"text", text},
                             {"tokens", generated},
                             {"prompt_tokens", prompt.size()},
                             {"finish_reason", reason}};
    printOut(object.dump() + "\n");
  } else if (options.print == PrintMode::Tokens || outputIsTerminal()) {
    // Text is printed as it is; only a terminal needs the line ended.
    printOut("\n");
  }
  return 0;
}

} // namespace heddle::rt
