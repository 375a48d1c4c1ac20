//===- Parallel.h - A range over the machine's threads ----------*- C++ -*-===//
#ifndef HEDDLE_LIB_REFERENCE_PARALLEL_H
#define HEDDLE_LIB_REFERENCE_PARALLEL_H

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace heddle::reference {

/// Calls `body(begin, end)` on parts of [0, count), one a thread; on this
/// thread alone if the work, in operations, is not worth a thread.
template <typename Body>
void parallelFor(int64_t count, int64_t operationsEach, Body body) {
  int64_t threads = std::max(1u, std::thread::hardware_concurrency());
  threads = std::min({threads, count, count * operationsEach / 65536 + 1});
  std::vector<std::thread> others;
  for (int64_t i = 1; i < threads; ++i)
    others.emplace_back(body, count * i / threads, count * (i + 1) / threads);
  body(0, count / std::max<int64_t>(threads, 1));
  for (std::thread &other : others)
    other.join();
}

} // namespace heddle::reference

#endif // HEDDLE_LIB_REFERENCE_PARALLEL_H
