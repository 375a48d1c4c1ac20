//===- Generation.cpp - Tokens after tokens -------------------------------===//

#include "Generation.h"
#include <algorithm>

namespace heddle::rt {

namespace {

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

} // namespace

Generated generate(Session &session, int64_t vocab, Sampler &sampler,
                   const Options &options, const GenerationRequest &request) {
  TextStream stream;
  StopFilter filter(options.stops);
  Generated result;
  auto emit = [&](const std::string &ready) {
    result.text += ready;
    if (!ready.empty() && request.onText)
      request.onText(ready);
  };
  std::vector<int32_t> next = request.prompt;
  while (static_cast<int64_t>(result.tokens.size()) < request.count) {
    int32_t id = sampler.next(session.feed(next), vocab);
    result.tokens.push_back(id);
    next.assign(1, id);
    if (request.onToken)
      request.onToken(id);
    bool isEnd = std::find(request.ends.begin(), request.ends.end(), id) !=
                 request.ends.end();
    if (isEnd && !options.ignoreEos) {
      result.reason = "eos";
      break;
    }
    if (!request.bpe || request.bpe->isControl(id))
      continue;
    emit(filter.add(stream.add(request.bpe->bytes(id))));
    if (filter.stopped()) {
      result.reason = "stop";
      return result;
    }
  }
  emit(filter.add(stream.finish()));
  emit(filter.flush());
  return result;
}

} // namespace heddle::rt
