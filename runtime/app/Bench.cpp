//===- Bench.cpp - PROG bench ---------------------------------------------===//

#include "Bench.h"
#include "Output.h"
#include "Probes.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

namespace heddle::rt {

namespace {

constexpr double kDiskSeconds = 0.3; // of reading, for the disk's speed

// The median of `runs` (seconds for `tokens` each) and every one of them, as
// speeds: what alternates with another program takes medians over both.
nlohmann::json speeds(int64_t tokens, const std::vector<double> &runs) {
  nlohmann::json all = nlohmann::json::array();
  for (double seconds : runs)
    all.push_back(static_cast<double>(tokens) / seconds);
  return {{"tok_s", static_cast<double>(tokens) / median(runs)}, {"runs", all}};
}

// Bytes that a step reads in which each of `batch` sequences decodes the token
// at `position`, but for those of experts. Of an embedding table that is no
// head, a row is nothing.
uint64_t stepBytes(const Manifest &manifest, int64_t position, int64_t batch) {
  uint64_t bytes = 0, embedding = 0;
  bool untied = false;
  for (const ParamEntry &param : manifest.params) {
    untied |= param.name == "output.weight";
    if (param.name == "token_embd.weight")
      embedding = param.bytes;
    if (param.group < 0)
      bytes += param.bytes;
  }
  for (const CacheEntry &cache : manifest.caches)
    if (!cache.ofStep)
      bytes += cache.bytesPerPosition * position * batch;
  return untied ? bytes - embedding : bytes;
}

// Operations of the steps that take in a prompt, by instruction: those that
// Session::feed() cuts it into.
std::map<std::string, double> promptOperations(const Manifest &manifest,
                                               const heddle_level &level,
                                               int64_t prompt,
                                               int64_t maxChunk) {
  std::map<std::string, double> operations;
  for (int64_t first = 0; first < prompt;) {
    int64_t count = std::min(prompt - first, maxChunk);
    std::string step = count == 1                      ? "decode"
                       : count <= manifest.batchTokens ? "batch"
                                                       : "prefill";
    bool logits = count == 1 || first + count == prompt;
    double tokens = static_cast<double>(count),
           seen =
               tokens * static_cast<double>(first) + tokens * (tokens - 1) / 2;
    for (const KernelEntry &kernel : manifest.kernels) {
      if (kernel.step != step && kernel.step != step + "." + level.name)
        continue;
      double rows = kernel.selectedRows ? logits : tokens;
      double each = static_cast<double>(kernel.operations) * rows +
                    static_cast<double>(kernel.positionOperations) * seen;
      if (each > 0)
        operations[kernel.instruction] +=
            each * static_cast<double>(kernel.times);
    }
    first += count;
  }
  return operations;
}

// Of a decode length, what came from the file while it was timed, beside what
// the disk can do, probed before and after each repetition.
class Streamed {
public:
  explicit Streamed(Experts *experts)
      : experts(experts && experts->streams() ? experts : nullptr) {
    if (this->experts)
      disk = this->experts->measureDisk(kDiskSeconds);
  }
  void begin() {
    if (experts)
      experts->resetCounts();
  }
  void end(double seconds) {
    if (!experts)
      return;
    Experts::Counts counts = experts->counts();
    total.hits += counts.hits;
    total.misses += counts.misses;
    total.bytesRead += counts.bytesRead;
    total.readSeconds += counts.readSeconds;
    double after = experts->measureDisk(kDiskSeconds);
    rates.push_back((disk + after) / 2 / 1e9);
    shares.push_back(static_cast<double>(counts.bytesRead) / seconds / 1e9 /
                     rates.back());
    disk = after;
  }
  void addTo(nlohmann::json &entry, std::string &table) const {
    if (!experts)
      return;
    auto all = static_cast<double>(total.hits + total.misses);
    double rate = all > 0 ? static_cast<double>(total.hits) / all : 1;
    entry["experts"] = {{"slots", experts->slotCount()},
                        {"hits", total.hits},
                        {"misses", total.misses},
                        {"hit_rate", rate},
                        {"bytes_read", total.bytesRead},
                        {"read_s", total.readSeconds},
                        {"disk_gb_s", rates},
                        {"share_of_disk", median(shares)}};
    table += "experts in memory: " + fixed(rate * 100) +
             " % of those wanted, " + formatBytes(total.bytesRead) + " read, " +
             fixed(median(shares) * 100) + " % of the disk's " +
             fixed(median(rates)) + " GB/s\n";
  }

private:
  Experts *experts;
  Experts::Counts total;
  double disk = 0;
  std::vector<double> rates, shares;
};

// Steps in which every sequence of a batch decodes one token after `depth`
// positions.
struct Decoding {
  Session &session;
  std::span<const int32_t> tokens;
  int64_t depth, gen, batch;

  /// Seconds of `steps` steps, with the tokens of turn `turn`.
  double run(int64_t turn, int64_t steps) {
    for (int64_t s = 0; s < batch; ++s)
      session.rewind(depth, s);
    std::vector<Session::Piece> pieces(batch);
    auto start = Clock::now();
    for (int64_t step = 0; step < steps; ++step) {
      for (int64_t s = 0; s < batch; ++s)
        pieces[s] = {
            s, tokens.subspan(depth + (turn * batch + s) * gen + step, 1)};
      session.feedTogether(pieces);
    }
    return secondsSince(start);
  }

  /// Bytes a step of the experts that its tokens go to, once for all of them.
  double expertBytes(int64_t turn) {
    Experts *experts = session.experts();
    if (!experts)
      return 0;
    experts->profile(/*begin=*/true);
    run(turn, gen);
    auto bytes = static_cast<double>(experts->usedBytes());
    experts->profile(/*begin=*/false);
    return bytes / static_cast<double>(gen);
  }
};

} // namespace

std::vector<int32_t> benchTokens(int64_t count, int64_t vocab) {
  std::vector<int32_t> ids(count);
  uint64_t state = 1;
  for (int32_t &id : ids) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    id = static_cast<int32_t>((state >> 33) % static_cast<uint64_t>(vocab));
  }
  return ids;
}

std::string fixed(double value) {
  char text[64];
  snprintf(text, sizeof(text), "%.2f", value);
  return text;
}

nlohmann::json probeDots(const Run &run, int64_t repeat) {
  nlohmann::json dots = nlohmann::json::array();
  for (const DotRate &dot : measureDots(*run.level, *run.team, repeat))
    dots.push_back({{"instruction", dot.instruction},
                    {"type", dot.type},
                    {"gop_s", dot.gopS}});
  return dots;
}

int runBench(Program &program, const Options &options) {
  if (options.kernels)
    return runBenchKernels(program, options);
  auto largest = [](const std::vector<int64_t> &values) {
    return *std::max_element(values.begin(), values.end());
  };
  struct {
    int64_t gen, batch;
  } most{largest(options.gens), largest(options.batches)};
  int64_t longest =
      std::max(largest(options.prompts), largest(options.depths) + most.gen);
  const Manifest &manifest = program.manifest();
  int64_t atOnce = std::max(manifest.prefillTokens, manifest.batchTokens);
  if (most.batch > atOnce)
    fail(ExitCode::Limit, "--batch = " + std::to_string(most.batch) +
                              ", limit " + std::to_string(atOnce) +
                              " (tokens of a step)");
  auto load = Clock::now();
  Run run(program, options, longest, /*logitsRows=*/most.batch, kProbeBytes,
          most.batch);
  Session &session = *run.session;
  double loadSeconds = secondsSince(load);
  if (longest > session.context())
    fail(ExitCode::Limit, "positions = " + std::to_string(longest) +
                              ", limit " + std::to_string(session.context()) +
                              " (the context of this run)");
  std::vector<int32_t> tokens = benchTokens(
      longest + (options.repeat + 1) * most.gen * most.batch, manifest.vocab);
  std::span<const int32_t> all(tokens);

  nlohmann::json result;
  result["prefill"] = nlohmann::json::array();
  result["decode"] = nlohmann::json::array();
  std::string table, dots;

  // One session serves all: what a run is about to touch, an untimed one has
  // touched before, so that no page fault is timed.
  for (int64_t prompt : options.prompts) {
    std::vector<double> seconds;
    session.rewind(0);
    session.feed(all.first(prompt));
    for (int64_t i = 0; i < options.repeat; ++i) {
      session.rewind(0);
      auto start = Clock::now();
      session.feed(all.first(prompt));
      seconds.push_back(secondsSince(start));
    }
    nlohmann::json entry = speeds(prompt, seconds);
    table += "prefill " + std::to_string(prompt) + ": " +
             fixed(entry["tok_s"]) + " tokens/s\n";
    entry["tokens"] = prompt;
    for (auto &[instruction, operations] :
         promptOperations(manifest, *run.level, prompt, session.maxChunk()))
      entry["operations"][instruction] = operations;
    result["prefill"].push_back(std::move(entry));
  }
  std::optional<DramProbe> dram;
  uint64_t peak = 0;
  for (int64_t depth : options.depths) {
    // Untimed, and once: at a depth of thousands it takes longer than all else.
    for (int64_t s = 0; s < most.batch; ++s) {
      session.rewind(0, s);
      session.feed(all.subspan(s, depth), s);
    }
    for (int64_t batch : options.batches)
      for (int64_t gen : options.gens) {
        Decoding decoding{session, all, depth, gen, batch};
        std::vector<double> seconds, bandwidths;
        decoding.run(0, gen);
        if (!dram) {
          peak = peakResidentBytes();
          dram.emplace(*run.team);
        }
        double before = dram->measure();
        Streamed streamed(session.experts());
        for (int64_t i = 0; i < options.repeat; ++i) {
          decoding.run(0, 1);
          streamed.begin();
          // Tokens that were not there before, which go to experts of their
          // own.
          seconds.push_back(decoding.run(i + 1, gen));
          streamed.end(seconds.back());
          double after = dram->measure();
          bandwidths.push_back((before + after) / 2);
          before = after;
        }
        nlohmann::json entry = speeds(gen * batch, seconds);
        std::string what =
            "decode " + std::to_string(gen) + " at depth " +
            std::to_string(depth) +
            (batch > 1 ? ", " + std::to_string(batch) + " sequences" : "");
        table += what + ": " + fixed(entry["tok_s"]) + " tokens/s\n";
        entry.update({{"gen", gen}, {"depth", depth}, {"batch", batch}});
        entry["dram_gb_s"] = bandwidths;
        streamed.addTo(entry, table);
        double bytes =
            static_cast<double>(stepBytes(manifest, depth + gen / 2, batch)) +
            decoding.expertBytes(options.repeat);
        if (bytes > 0) {
          entry["bytes_per_token"] = bytes / static_cast<double>(batch);
          std::vector<double> shares;
          for (size_t i = 0; i < bandwidths.size(); ++i)
            shares.push_back(bytes * static_cast<double>(gen) / seconds[i] /
                             1e9 / bandwidths[i]);
          entry["share_of_dram"] = median(shares);
          table +=
              what + ": " + fixed(median(shares) * 100) + " % of DRAM read\n";
        }
        result["decode"].push_back(std::move(entry));
      }
  }

  // The probe's buffer, resident since it is there, is no part of the model's
  // memory.
  peak = std::max(peak, peakResidentBytes() - kProbeBytes);
  std::map<std::string, double> rates;
  result["dot"] = probeDots(run, options.repeat);
  for (const nlohmann::json &dot : result["dot"]) {
    std::string instruction = dot["instruction"].get<std::string>();
    rates[instruction] = dot["gop_s"].get<double>();
    dots += "dot product " + dot["type"].get<std::string>() + " (" +
            instruction + "): " + fixed(rates[instruction]) + " GOP/s\n";
  }
  result["threads"] = run.team->size();
  result["load_s"] = loadSeconds;
  result["peak_rss"] = peak;
  result["dram_gb_s"] = dram->typical();
  for (nlohmann::json &entry : result["prefill"]) {
    // Seconds at the peak of each instruction, over those it took.
    double seconds = 0;
    if (!entry.contains("operations"))
      continue;
    for (auto &[instruction, operations] : entry["operations"].items())
      if (auto rate = rates.find(instruction); rate != rates.end())
        seconds += operations.get<double>() / rate->second / 1e9;
    if (seconds == 0)
      continue;
    double share =
        seconds * entry["tok_s"].get<double>() / entry["tokens"].get<double>();
    entry["share_of_dot"] = share;
    table += "prefill " + entry["tokens"].dump() + ": " + fixed(share * 100) +
             " % of the dot products' peak\n";
  }
  table += "load: " + fixed(loadSeconds) +
           " s\npeak memory: " + formatBytes(peak) +
           "\nDRAM read: " + fixed(dram->typical()) + " GB/s\n" + dots;
  printOut(options.json ? result.dump() + "\n" : table);
  return 0;
}

} // namespace heddle::rt
