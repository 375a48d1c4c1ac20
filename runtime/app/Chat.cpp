//===- Chat.cpp - PROG chat -----------------------------------------------===//

#include "Generation.h"
#include "Output.h"
#include "Run.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <unistd.h>

namespace heddle::rt {

namespace {

/// Lines of standard input, as they come.
class Lines {
public:
  /// False at the end of the input.
  bool next(std::string &line) {
    while (true) {
      if (size_t end = pending.find('\n'); end != std::string::npos) {
        line = pending.substr(0, end);
        pending.erase(0, end + 1);
        return true;
      }
      std::string more = readSome();
      if (more.empty()) {
        line = std::move(pending);
        pending.clear();
        return !line.empty();
      }
      pending += more;
    }
  }

private:
  std::string pending;
};

} // namespace

int runChat(Program &program, const Options &options) {
  std::unique_ptr<Bpe> bpe = loadTokenizer(program);
  const ChatTemplate &chat = needTemplate(program, *bpe);
  Conversation conversation;
  if (options.system)
    addMessage(conversation, "system", *options.system);

  Run run(program, options, /*positions=*/0, /*logitsRows=*/1,
          /*extraBytes=*/program.manifest().vocab * 32);
  Session &session = *run.session;
  Sampler sampler(chooseSampling(program, options));
  GenerationRequest request;
  request.bpe = bpe.get();
  request.ends = program.manifest().stopTokens;
  request.onText = [](const std::string &ready) { printOut(ready); };

  bool asks = isatty(0) && outputIsTerminal();
  std::vector<int32_t> fed; // what the caches hold
  Lines lines;
  std::string line;
  while (asks ? printOut("> ") : void(), lines.next(line)) {
    addMessage(conversation, "user", line);
    std::vector<int32_t> ids = encodeConversation(*bpe, chat, conversation);
    auto size = static_cast<int64_t>(ids.size());
    if (ids.empty() || size >= session.context())
      fail(ids.empty() ? ExitCode::Malformed : ExitCode::Limit,
           "conversation = " + std::to_string(size) + " tokens, limit " +
               (ids.empty() ? std::string("at least 1")
                            : std::to_string(session.context() - 1) +
                                  " (the context of this run)"));
    // Only what is new is computed; the last token always, for its logits.
    auto kept = static_cast<int64_t>(
        std::mismatch(fed.begin(), fed.end(), ids.begin(), ids.end()).first -
        fed.begin());
    kept = std::min(kept, size - 1);
    session.rewind(kept);
    request.prompt.assign(ids.begin() + kept, ids.end());
    request.count = session.context() - size + 1;
    if (options.count)
      request.count = std::min(request.count, *options.count);
    Generated answer =
        generate(session, program.manifest().vocab, sampler, options, request);
    printOut("\n");
    if (answer.reason == std::string_view("length") &&
        (!options.count || request.count < *options.count))
      printNote("the answer was cut: the context of this run is full");
    fed = std::move(ids);
    fed.insert(fed.end(), answer.tokens.begin(), answer.tokens.end());
    fed.resize(session.position());
    addMessage(conversation, "assistant", answer.text);
  }
  if (asks)
    printOut("\n");
  return 0;
}

} // namespace heddle::rt
