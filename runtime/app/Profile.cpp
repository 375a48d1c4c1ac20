//===- Profile.cpp - PROG profile -----------------------------------------===//
//
// Counts which experts the tokens of a text go to, for `heddle compile
// --profile` (docs/streaming.md).
//
//===----------------------------------------------------------------------===//

#include "Output.h"
#include "Run.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <nlohmann/json.hpp>

namespace heddle::rt {

int runProfile(Program &program, const Options &options) {
  const Manifest &manifest = program.manifest();
  if (options.out.empty())
    fail(ExitCode::Usage, "profile: outputs = 0, limit --out=PROFILE.json");
  if (manifest.expertGroups.empty())
    fail(ExitCode::Unsupported,
         program.path() + ": experts = 0, limit a model that routes tokens");
  TokenTable table = readScored(program, options);
  int64_t length = table.length();
  std::vector<int32_t> tokens(table.ids);
  std::erase(tokens, -1);
  if (tokens.empty())
    fail(ExitCode::Malformed, "tokens = 0, limit at least 1");
  Run run(program, options, length, /*logitsRows=*/1,
          tokens.size() * sizeof(int32_t) * 4);
  Experts &experts = *run.session->experts();
  experts.profile(/*begin=*/true);
  for (int64_t s = 0; s < table.sequences(); ++s) {
    auto row = table.ids.begin() + s * length;
    std::vector<int32_t> text(row, row + length);
    std::erase(text, -1);
    // What is longer than the context is several texts.
    std::span<const int32_t> rest(text);
    while (!rest.empty()) {
      size_t count = std::min<size_t>(rest.size(), run.session->context());
      run.session->rewind(0);
      run.session->feed(rest.first(count));
      rest = rest.subspan(count);
    }
  }
  nlohmann::json layers = nlohmann::json::array();
  for (size_t g = 0; g < manifest.expertGroups.size(); ++g)
    layers.push_back(
        {{"name",
          manifest.params[manifest.expertGroups[g].params.front()].name},
         {"uses", experts.uses()[g]}});
  nlohmann::json profile = {{"format", "heddle-profile"},
                            {"version", 1},
                            {"source_hash", manifest.sourceHash},
                            {"source_file", manifest.sourceFile},
                            {"tokens", tokens.size()},
                            {"layers", std::move(layers)}};
  std::string text =
      profile.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
      "\n";
  AtomicFile file(options.out);
  file.write(text.data(), text.size());
  file.commit();
  return 0;
}

} // namespace heddle::rt
