//===- Info.cpp - PROG info -----------------------------------------------===//

#include "Output.h"
#include "Run.h"
#include "heddle/runtime/Cpu.h"
#include "heddle/runtime/Failure.h"
#include <nlohmann/json.hpp>

namespace heddle::rt {

namespace {

using nlohmann::json;

/// What a program does with conversations; null if it cannot.
json chatJson(const Program &program) {
  if (!program.hasTokenizer())
    return nullptr;
  std::string text = program.readTokenizer();
  json chat;
  try {
    std::optional<ChatCode> code = TokenizerSection(text).chat();
    if (!code)
      return nullptr;
    Conversation conversation;
    addMessage(conversation, "user", "Hello");
    chat["rendered"] =
        ChatTemplate(std::move(*code)).render(conversation).bytes();
  } catch (const Failure &failure) {
    chat["error"] = failure.message;
  }
  return chat;
}

json levelsJson() {
  json levels = json::array();
  for (const heddle_level *level = heddle_levels; level->name; ++level)
    levels.push_back({{"name", level->name},
                      {"features", level->features ? level->features : ""},
                      {"missing", missingFeatures(*level)}});
  return levels;
}

// The level a run would take, or "" where this CPU is below all of them.
std::string chosenLevel(const Options &options) {
  try {
    return chooseLevel(options.isa).name;
  } catch (const Failure &failure) {
    if (failure.code != ExitCode::Hardware || !options.isa.empty())
      throw;
    return "";
  }
}

json generationJson(const Manifest &m) {
  json out = {{"stop_tokens", m.stopTokens},
              {"temperature", m.sampling.temperature.value_or(0)}};
  if (m.sampling.topK)
    out["top_k"] = *m.sampling.topK;
  if (m.sampling.topP)
    out["top_p"] = *m.sampling.topP;
  if (m.sampling.minP)
    out["min_p"] = *m.sampling.minP;
  return out;
}

std::string humanText(const json &info, const Sampling &sampling) {
  constexpr size_t kShown = 16;
  std::string text;
  auto line = [&](const char *label, const std::string &value) {
    text += std::string(label) + ": " + value + "\n";
  };
  line("name", info["name"].get<std::string>());
  line("family", info["family"].get<std::string>());
  line("parameters", info["parameters"].dump());
  line("shape", "vocabulary " + info["vocab"].dump() + ", hidden " +
                    info["hidden"].dump() + ", layers " +
                    info["layers"].dump());
  for (auto &[encoding, bytes] : info["bytes_by_encoding"].items())
    line(("weights " + encoding).c_str(), formatBytes(bytes));
  line("numeric", info["numeric"].get<std::string>());
  line("target", info["target"].get<std::string>());
  for (const json &level : info["levels"]) {
    std::string name = level["name"].get<std::string>(), missing;
    for (const json &feature : level["missing"])
      missing += (missing.empty() ? " (this CPU lacks " : ", ") +
                 feature.get<std::string>();
    line("level", name + (info["level"] == name ? " (chosen)" : "") + missing +
                      (missing.empty() ? "" : ")"));
  }
  const json &memory = info["memory"];
  line("memory", formatBytes(memory["total"]) + " at a context of " +
                     memory["context"].dump() + " (weights " +
                     formatBytes(memory["weights"]) + ", caches " +
                     formatBytes(memory["caches"]) + ", scratch " +
                     formatBytes(memory["arena"]) + ")");
  line("context", info["context"].dump() + " compiled, " +
                      info["model_context"].dump() + " in the model");
  line("sampling",
       sampling.temperature.value_or(0) > 0 ? describe(sampling) : "greedy");
  const json &stops = info["generation"]["stop_tokens"];
  std::string ids;
  for (size_t i = 0; i < stops.size() && i < kShown; ++i)
    ids += (i ? ", " : "") + stops[i].dump();
  line("stop tokens",
       stops.empty() ? "none"
       : stops.size() > kShown
           ? ids + " and " + std::to_string(stops.size() - kShown) + " more"
           : ids);
  if (const json &chat = info["chat_template"]; chat.is_null())
    line("chat template", "none");
  else
    line("chat template",
         (chat.contains("error") ? chat["error"] : chat["rendered"])
             .dump(-1, ' ', false, json::error_handler_t::replace));
  line("source", info["source_file"].get<std::string>() + ", blake3 " +
                     info["source_hash"].get<std::string>());
  line("compiled by", "heddle " + info["heddle_version"].get<std::string>());
  return text;
}

} // namespace

int runInfo(Program &program, const Options &options) {
  checkDevice(options);
  const Manifest &m = program.manifest();
  if (options.verify) {
    ThreadTeam team(chooseThreads(options));
    program.verifyWeights(team);
  }
  if (options.licenses && !options.json) {
    std::string text;
    for (const std::string &license : m.licenses)
      text += license + "\n";
    printOut(text);
    return 0;
  }
  std::string level = chosenLevel(options);
  MemoryRequest request;
  request.context = options.context;
  request.limit = options.memLimit;
  request.threads = chooseThreads(options);
  request.loading = options.loading;
  MemoryPlan plan = planMemory(program, request);
  json info = {
      {"name", m.name},
      {"family", m.family},
      {"parameters", m.parameters},
      {"vocab", m.vocab},
      {"hidden", m.hidden},
      {"layers", m.layers},
      {"bytes_by_encoding", m.bytesByEncoding},
      {"numeric", m.numeric},
      {"target", m.target},
      {"targets", m.levels},
      {"levels", levelsJson()},
      {"level", level},
      {"device", "cpu"},
      {"threads", request.threads},
      {"context", m.context},
      {"model_context", m.modelContext},
      {"memory",
       {{"context", plan.context},
        {"capacity", plan.capacity},
        {"weights", plan.weights},
        {"caches", plan.caches},
        {"arena", plan.arena},
        {"logits", plan.logits},
        {"other", plan.other},
        {"total", plan.total()},
        {"experts", m.expertCount()},
        {"expert_slots", plan.expertSlots},
        {"load", plan.copyWeights ? "copy" : "map"}}},
      {"generation", generationJson(m)},
      {"chat_template", chatJson(program)},
      {"file_bytes", program.fileSize()},
      {"weights", m.weightsFile.empty() ? "embed" : "external"},
      {"source_file", m.sourceFile},
      {"source_hash", m.sourceHash},
      {"heddle_version", m.heddleVersion},
      {"licenses", m.licenses},
  };
  if (options.verify)
    info["verified"] = true;
  // Names come from the model's file: what is not UTF-8 is replaced.
  printOut(options.json
               ? info.dump(-1, ' ', false, json::error_handler_t::replace) +
                     "\n"
               : humanText(info, m.sampling) +
                     (options.verify ? "weights: verified\n" : ""));
  return 0;
}

} // namespace heddle::rt
