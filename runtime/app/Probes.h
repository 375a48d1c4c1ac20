//===- Probes.h - What the machine can do at best --------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_PROBES_H
#define HEDDLE_RUNTIME_APP_PROBES_H

#include "Sampler.h"
#include "heddle/runtime/Memory.h"
#include "heddle/runtime/ThreadTeam.h"
#include "heddle/runtime/heddle_rt.h"
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace heddle::rt {

using Clock = std::chrono::steady_clock;

inline double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Bytes that measureDram() reads: more than any last-level cache holds, so
/// that its sum runs at memory speed.
constexpr uint64_t kProbeBytes = uint64_t(256) << 20;

/// Reads kProbeBytes of its own, resident as long as it lives, with all threads
/// of `team`.
class DramProbe {
public:
  explicit DramProbe(ThreadTeam &team);
  /// GB/s that they read together; the median of a few passes. A machine's
  /// bandwidth may change from second to second, so what is held against it is
  /// measured between two of these.
  double measure();
  /// The median of all results so far.
  double typical() const { return median(results); }

private:
  ThreadTeam &team;
  Buffer buffer;
  std::vector<double> results;
};

/// The peak of a dot-product instruction: 10^9 multiplications and additions a
/// second, all threads together.
struct DotRate {
  std::string instruction, type;
  double gopS;
};

/// Runs the generated probes of `level`; the best of ten times `repeat`
/// short ones, since nothing computes faster than it can.
std::vector<DotRate> measureDots(const heddle_level &level, ThreadTeam &team,
                                 int64_t repeat);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_PROBES_H
