//===- Probes.cpp - What the machine can do at best -----------------------===//

#include "Probes.h"
#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

namespace heddle::rt {

namespace {

// Sequences that each thread reads side by side, and the words left unread so
// that they are no power of two apart: they would meet in the same sets of the
// caches.
constexpr uint64_t kStreams = 4, kRest = 648;

// Passes over the buffer for one result: about 20 ms.
constexpr int kDramPasses = 3;

struct Probe {
  uint64_t *words;
  uint64_t sums[256 * 8]; // one cache line a thread
};

// Thread `tid`'s part of the buffer, in words.
std::pair<uint64_t, uint64_t> part(int64_t tid, int64_t nthreads) {
  uint64_t words = kProbeBytes / sizeof(uint64_t);
  return {words * tid / nthreads, words * (tid + 1) / nthreads};
}

void fillJob(void *arg, int64_t tid, int64_t nthreads) {
  auto *probe = static_cast<Probe *>(arg);
  auto [begin, end] = part(tid, nthreads);
  memset(probe->words + begin, 1, (end - begin) * sizeof(uint64_t));
}

// Integers only: the runtime computes nothing in floating point.
void sumJob(void *arg, int64_t tid, int64_t nthreads) {
  auto *probe = static_cast<Probe *>(arg);
  auto [begin, end] = part(tid, nthreads);
  uint64_t lanes[8] = {};
  // A cache line of each stream in turn: one stream alone does not keep enough
  // reads in flight. A rest of a few lines is not read.
  uint64_t length = ((end - begin) / kStreams - kRest) / 8 * 8;
  for (uint64_t at = 0; at < length; at += 8)
    for (uint64_t stream = 0; stream < kStreams; ++stream)
      for (uint64_t lane = 0; lane < 8; ++lane)
        lanes[lane] += probe->words[begin + stream * length + at + lane];
  for (int lane = 1; lane < 8; ++lane)
    lanes[0] += lanes[lane];
  // Stored where the compiler cannot drop it.
  *const_cast<volatile uint64_t *>(&probe->sums[tid * 8]) = lanes[0];
}

// Of one measurement of a dot product, and how many of them make one of the
// command's repetitions: short, so that some are not disturbed.
constexpr double kDotSeconds = 0.002;
constexpr int64_t kDotTries = 10;

struct DotJob {
  heddle_context context{};
  heddle_step_fn run;
};

void dotJob(void *arg, int64_t tid, int64_t nthreads) {
  auto *job = static_cast<DotJob *>(arg);
  job->run(&job->context, tid, nthreads);
}

} // namespace

DramProbe::DramProbe(ThreadTeam &team) : team(team), buffer(kProbeBytes) {
  auto probe = std::make_unique<Probe>();
  probe->words = static_cast<uint64_t *>(buffer.data());
  team.run(fillJob, probe.get());
}

double DramProbe::measure() {
  auto probe = std::make_unique<Probe>();
  probe->words = static_cast<uint64_t *>(buffer.data());
  std::vector<double> seconds;
  for (int pass = 0; pass < kDramPasses; ++pass) {
    auto start = Clock::now();
    team.run(sumJob, probe.get());
    seconds.push_back(secondsSince(start));
  }
  results.push_back(static_cast<double>(kProbeBytes) / 1e9 / median(seconds));
  return results.back();
}

std::vector<DotRate> measureDots(const heddle_level &level, ThreadTeam &team,
                                 int64_t repeat) {
  Buffer arena(static_cast<uint64_t>(team.size()) * HEDDLE_PROBE_BYTES);
  std::vector<DotRate> rates;
  for (const heddle_probe *probe = level.probes; probe->instruction; ++probe) {
    DotJob job;
    job.context.abi_version = HEDDLE_ABI_VERSION;
    job.context.arena = arena.data();
    job.run = probe->run;
    auto seconds = [&] {
      auto start = Clock::now();
      team.run(dotJob, &job);
      return secondsSince(start);
    };
    job.context.n_tokens = 1024;
    while (seconds() < kDotSeconds)
      job.context.n_tokens *= 2;
    double best = seconds();
    for (int64_t i = 1; i < kDotTries * repeat; ++i)
      best = std::min(best, seconds());
    double turns = static_cast<double>(job.context.n_tokens) * team.size();
    rates.push_back(
        {probe->instruction, probe->type,
         static_cast<double>(probe->operations) * turns / 1e9 / best});
  }
  return rates;
}

} // namespace heddle::rt
