//===- Sampler.cpp - Choosing tokens from logits --------------------------===//

#include "Sampler.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <cmath>

namespace heddle::rt {

namespace {

// Logits that are looked at together: their maximum first, lane by lane, which
// the compiler makes vectors of.
constexpr int64_t kChunk = 1024, kLanes = 16;

// The maximum of `count` logits; `number` becomes false if one is a NaN.
float maximum(const float *logits, int64_t count, bool &number) {
  float best[kLanes];
  int32_t nans[kLanes] = {};
  std::fill(best, best + kLanes, logits[0]);
  auto see = [&](float value, int64_t lane) {
    best[lane] = value > best[lane] ? value : best[lane];
    nans[lane] |= value != value;
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane)
      see(logits[i + lane], lane);
  for (; i < count; ++i)
    see(logits[i], 0);
  for (int64_t lane = 0; lane < kLanes; ++lane)
    number &= !nans[lane];
  return *std::max_element(best, best + kLanes);
}

// First of equal maxima; a NaN anywhere, or +inf as the maximum, is the
// program's fault and not a choice.
int64_t firstMaximum(const float *logits, int64_t vocab) {
  float top = logits[0];
  int64_t chunk = 0;
  bool number = true;
  for (int64_t begin = 0; begin < vocab; begin += kChunk) {
    float here =
        maximum(logits + begin, std::min(kChunk, vocab - begin), number);
    if (here > top) {
      top = here;
      chunk = begin;
    }
  }
  if (!number || !std::isfinite(top))
    fail(ExitCode::Bug, "logits = not finite, limit finite numbers");
  return std::find(logits + chunk, logits + vocab, top) - logits;
}

} // namespace

Sampler::Sampler(const SamplerOptions &options)
    : options(options), state(options.seed) {}

// splitmix64: one word of state, any seed is good.
uint64_t Sampler::random() {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

int32_t Sampler::next(const float *logits, int64_t vocab) {
  int64_t best = firstMaximum(logits, vocab);
  if (options.temperature == 0)
    return static_cast<int32_t>(best);

  double top = logits[best];
  candidates.clear();
  for (int64_t i = 0; i < vocab; ++i)
    candidates.push_back({std::exp((logits[i] - top) / options.temperature),
                          static_cast<int32_t>(i)});
  auto heavier = [](const Candidate &a, const Candidate &b) {
    return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
  };
  auto keep = static_cast<int64_t>(candidates.size());
  if (options.topK > 0 && options.topK < keep) {
    keep = options.topK;
    std::nth_element(candidates.begin(), candidates.begin() + (keep - 1),
                     candidates.end(), heavier);
    candidates.resize(keep);
  }
  // Sorted, so that the filters cut a prefix and the draw does not depend on
  // how they were applied.
  std::sort(candidates.begin(), candidates.end(), heavier);
  double sum = 0;
  for (const Candidate &c : candidates)
    sum += c.weight;
  if (options.topP < 1) {
    double reached = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      reached += candidates[i].weight;
      if (reached >= options.topP * sum) {
        candidates.resize(i + 1);
        break;
      }
    }
  }
  if (options.minP > 0) {
    // The heaviest weight is exp(0) = 1.
    size_t count = 1;
    while (count < candidates.size() &&
           candidates[count].weight >= options.minP)
      ++count;
    candidates.resize(count);
  }
  sum = 0;
  for (const Candidate &c : candidates)
    sum += c.weight;
  // 53 random bits: uniform in [0, 1).
  double target = static_cast<double>(random() >> 11) * 0x1p-53 * sum;
  double reached = 0;
  for (const Candidate &c : candidates) {
    reached += c.weight;
    if (reached > target)
      return c.id;
  }
  return candidates.back().id;
}

void MeanNll::add(const float *logits, int64_t vocab, int32_t token) {
  double top = logits[firstMaximum(logits, vocab)];
  double exponentials = 0;
  for (int64_t i = 0; i < vocab; ++i)
    exponentials += std::exp(logits[i] - top);
  sum += std::log(exponentials) + top - logits[token];
  ++count;
}

double MeanNll::value() const { return sum / static_cast<double>(count); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) / 2];
}

} // namespace heddle::rt
