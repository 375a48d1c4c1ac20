//===- Bench.h - What the forms of PROG bench share ------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_BENCH_H
#define HEDDLE_RUNTIME_APP_BENCH_H

#include "Run.h"
#include <nlohmann/json.hpp>

namespace heddle::rt {

/// Ids spread over the vocabulary; the same on every run.
std::vector<int32_t> benchTokens(int64_t count, int64_t vocab);

/// With two digits after the point.
std::string fixed(double value);

/// The peaks of the run's level: instruction, type and gop_s of each.
nlohmann::json probeDots(const Run &run, int64_t repeat);

/// `PROG bench --kernels`; returns the exit code.
int runBenchKernels(Program &program, const Options &options);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_BENCH_H
