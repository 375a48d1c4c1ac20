//===- BenchKernels.cpp - PROG bench --kernels ----------------------------===//
//
// Each step once, as long as it can be, with the time of each of its kernels.
//
//===----------------------------------------------------------------------===//

#include "Bench.h"
#include "Output.h"
#include "Probes.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>

namespace heddle::rt {

namespace {

struct Sample {
  double seconds, dram; // GB/s around it
  Session::KernelTimes kernels;
};

// The step of `tokens` after `depth` positions whose time is the median of
// `repeat`: its kernels' times belong together.
Sample medianStep(Session &session, std::span<const int32_t> tokens,
                  int64_t depth, size_t kernels, int64_t repeat,
                  DramProbe &dram) {
  std::vector<Sample> samples;
  double before = dram.measure();
  for (int64_t i = 0; i < repeat; ++i) {
    Sample sample{0, 0, Session::KernelTimes(kernels)};
    // The probe took the caches.
    session.rewind(depth);
    session.feed(tokens);
    session.rewind(depth);
    session.time(&sample.kernels);
    auto start = Clock::now();
    session.feed(tokens);
    sample.seconds = secondsSince(start);
    session.time(nullptr);
    double after = dram.measure();
    sample.dram = (before + after) / 2;
    before = after;
    samples.push_back(std::move(sample));
  }
  auto middle = samples.begin() + static_cast<ptrdiff_t>(samples.size() / 2);
  std::nth_element(
      samples.begin(), middle, samples.end(),
      [](const Sample &a, const Sample &b) { return a.seconds < b.seconds; });
  return std::move(*middle);
}

} // namespace

int runBenchKernels(Program &program, const Options &options) {
  const Manifest &manifest = program.manifest();
  if (manifest.kernels.empty())
    fail(ExitCode::Unsupported,
         program.path() + ": manifest: kernels = absent, needed for --kernels",
         "`bench`");
  int64_t depth = options.depths.front(),
          most = options.context ? options.context : manifest.context,
          longest = std::min(depth + manifest.prefillTokens, most);
  Run run(program, options, longest, /*logitsRows=*/1, kProbeBytes);
  Session &session = *run.session;
  longest = std::min(longest, session.context());
  if (depth >= longest)
    fail(ExitCode::Limit, "depth = " + std::to_string(depth) + ", limit " +
                              std::to_string(longest - 1) +
                              " (the context of this run)");
  std::vector<int32_t> tokens = benchTokens(longest, manifest.vocab);
  std::span<const int32_t> all(tokens);

  nlohmann::json result;
  result["level"] = run.level->name;
  result["threads"] = run.team->size();
  result["depth"] = depth;
  result["steps"] = nlohmann::json::array();
  std::string table;
  DramProbe dram(*run.team);
  struct Kind {
    const char *step;
    int64_t least, most; // tokens for which a session takes it
  };
  for (const Kind &kind :
       {Kind{"decode", 1, 1}, Kind{"batch", 2, manifest.batchTokens},
        Kind{"prefill", manifest.batchTokens + 1, manifest.prefillTokens}}) {
    int64_t count = std::min(kind.most, longest - depth);
    if (count < kind.least)
      continue;
    // Untimed: what a step touches, it has touched before.
    session.rewind(0);
    session.feed(all.first(depth + count));
    int64_t repeat = count == 1 ? 8 * options.repeat : options.repeat;
    Sample sample = medianStep(session, all.subspan(depth, count), depth,
                               manifest.kernels.size(), repeat, dram);
    nlohmann::json step = {{"step", kind.step},
                           {"tokens", count},
                           {"us", sample.seconds * 1e6},
                           {"dram_gb_s", sample.dram},
                           {"kernels", nlohmann::json::array()}};
    table += std::string(kind.step) + ", " + std::to_string(count) +
             (count == 1 ? " token" : " tokens") + " at depth " +
             std::to_string(depth) + ": " + fixed(sample.seconds * 1e6) +
             " us, DRAM read around it " + fixed(sample.dram) + " GB/s\n";
    for (size_t i = 0; i < manifest.kernels.size(); ++i) {
      const KernelEntry &kernel = manifest.kernels[i];
      if (kernel.step != kind.step &&
          kernel.step != std::string(kind.step) + "." + run.level->name)
        continue;
      double us = sample.kernels[i] * 1e6;
      step["kernels"].push_back({{"kernel", i}, {"us", us}});
      table += "  " + fixed(us) + " us, " + std::to_string(kernel.times) +
               " x " + kernel.name + "\n";
    }
    result["steps"].push_back(std::move(step));
  }
  result["dram_gb_s"] = dram.typical();
  result["dot"] = probeDots(run, options.repeat);
  printOut(options.json ? result.dump() + "\n" : table);
  return 0;
}

} // namespace heddle::rt
