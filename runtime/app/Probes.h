//===- Probes.h - What the machine can do at best --------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_PROBES_H
#define HEDDLE_RUNTIME_APP_PROBES_H

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

/// GB/s that all threads of `team` read from memory together; the median of
/// `repeat`.
double measureDram(ThreadTeam &team, int64_t repeat);

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
