//===- Run.cpp - What every command that computes sets up -----------------===//

#include "Run.h"
#include "Output.h"
#include "heddle/runtime/Cpu.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <cstdio>

namespace heddle::rt {

int chooseThreads(const Options &options) {
  if (!options.threads)
    return physicalCores();
  int64_t most = std::min(256, 4 * logicalCores());
  if (*options.threads > most)
    printNote("threads = " + std::to_string(*options.threads) + " lowered to " +
              std::to_string(most) + " (results do not depend on it)");
  return static_cast<int>(std::min(*options.threads, most));
}

void checkDevice(const Options &options) {
  const std::string &device = options.device;
  if (device == "auto" || device == "cpu")
    return;
  size_t digit = device.find_first_not_of("0123456789", 5);
  if (device == "cuda" || (device.compare(0, 5, "cuda:") == 0 &&
                           device.size() > 5 && digit == std::string::npos))
    fail(ExitCode::Hardware,
         "--device = " + device + ", no NVPTX part in this program",
         "`--device=cpu`");
  fail(ExitCode::Usage,
       "--device = " + device + ", limit auto, cpu, cuda or cuda:INDEX");
}

std::unique_ptr<Bpe> loadTokenizer(const Program &program) {
  if (!program.hasTokenizer())
    fail(ExitCode::Unsupported,
         program.path() + ": tokenizer = absent, needed for text",
         "give token ids: `--tokens=1,2,3 --print=tokens`");
  return std::make_unique<Bpe>(program.readTokenizer(),
                               program.manifest().vocab);
}

std::string describe(const Sampling &sampling) {
  std::string text;
  auto add = [&](const char *name, auto value) {
    if (!value)
      return;
    char number[32];
    snprintf(number, sizeof number, "%.6g", static_cast<double>(*value));
    text += (text.empty() ? "" : ", ") + std::string(name) + " " + number;
  };
  add("temperature", sampling.temperature);
  add("top-k", sampling.topK);
  add("top-p", sampling.topP);
  add("min-p", sampling.minP);
  return text;
}

SamplerOptions chooseSampling(const Program &program, const Options &options) {
  Sampling chosen = options.sampling;
  const Sampling &model = program.manifest().sampling;
  auto complete = [](auto &given, const auto &fallback) {
    given = given ? given : fallback;
  };
  complete(chosen.temperature, model.temperature);
  complete(chosen.topK, model.topK);
  complete(chosen.topP, model.topP);
  complete(chosen.minP, model.minP);
  if (!options.sampling.temperature && chosen.temperature.value_or(0) > 0)
    printNote("sampling: " + describe(chosen) +
              ", the checkpoint's default (--temperature=0: greedy)");
  SamplerOptions result;
  result.temperature = chosen.temperature.value_or(result.temperature);
  result.topK = chosen.topK.value_or(result.topK);
  result.topP = chosen.topP.value_or(result.topP);
  result.minP = chosen.minP.value_or(result.minP);
  result.seed = options.seed;
  return result;
}

static void noteDropped(const Bpe &bpe) {
  if (bpe.droppedBytes())
    printNote(std::to_string(bpe.droppedBytes()) +
              " bytes of the text left out: the model's vocabulary cannot "
              "write them");
}

std::vector<int32_t> encodeText(Bpe &bpe, const std::string &text,
                                bool special) {
  std::vector<int32_t> ids = bpe.encode(text, special);
  noteDropped(bpe);
  return ids;
}

Conversation readConversation(const Options &options) {
  const std::string &file = *options.messagesFile;
  Conversation conversation = parseConversation(readFile(file), file);
  conversation.trusted = options.special;
  return conversation;
}

const ChatTemplate &needTemplate(const Program &program, const Bpe &bpe) {
  if (!bpe.chat())
    fail(ExitCode::Unsupported,
         program.path() + ": chat template = absent, needed for conversations",
         "`" + program.path() + " generate PROMPT`");
  return *bpe.chat();
}

std::vector<int32_t> encodeConversation(Bpe &bpe, const ChatTemplate &chat,
                                        const Conversation &conversation) {
  std::vector<int32_t> ids = bpe.encodeChat(chat.render(conversation));
  noteDropped(bpe);
  return ids;
}

Run::Run(Program &program, const Options &options, int64_t positions,
         int64_t logitsRows, uint64_t extraBytes, int64_t sequences) {
  checkDevice(options);
  level = &chooseLevel(options.isa);
  MemoryRequest request;
  request.context = options.context;
  request.positions = positions;
  request.sequences = sequences;
  request.logitsRows = logitsRows;
  request.extraBytes = extraBytes;
  request.limit = options.memLimit;
  request.threads = chooseThreads(options);
  request.loading = options.loading;
  plan = planMemory(program, request);
  printNote(
      "cpu, " + std::string(level->name) + ", " + program.manifest().numeric +
      ", context " + std::to_string(plan.context) +
      (plan.contextReduced ? " (lowered to fit memory)" : "") + ", memory " +
      formatBytes(plan.total()) +
      (plan.stride() < plan.context
           ? " for " + std::to_string(plan.stride()) + " positions"
           : "") +
      (plan.sequences > 1
           ? " of " + std::to_string(plan.sequences) + " sequences"
           : "") +
      (plan.copyWeights ? "" : " (weights stay in the file)") +
      (plan.expertSlots ? ", " + std::to_string(plan.expertSlots) + " of " +
                              std::to_string(program.manifest().expertCount()) +
                              " experts in memory at a time"
                        : "") +
      ", " + std::to_string(request.threads) +
      (request.threads == 1 ? " thread" : " threads"));
  enableLevel(*level);
  team = std::make_unique<ThreadTeam>(request.threads);
  program.loadWeights(plan, *team);
  session = std::make_unique<Session>(program, *level, plan, *team);
}

} // namespace heddle::rt
