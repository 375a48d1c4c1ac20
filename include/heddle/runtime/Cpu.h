//===- Cpu.h - CPU features, level choice, core counts ---------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_CPU_H
#define HEDDLE_RUNTIME_CPU_H

#include "heddle/runtime/heddle_rt.h"
#include <string>
#include <vector>

namespace heddle::rt {

/// True if the CPU has the feature and the system saves its registers.
/// Names are LLVM's ("avx2", "avx512vnni", "dotprod"); a leading `+` is
/// ignored; unknown names are absent.
bool cpuHas(const std::string &feature);

/// The features of `level` that this CPU lacks.
std::vector<std::string> missingFeatures(const heddle_level &level);

/// The first level whose features are all present, or the one called `isa`
/// if that is not empty. Throws Failure(Hardware) naming what is missing, or
/// Failure(Usage) if the program has no level of that name.
const heddle_level &chooseLevel(const std::string &isa);

/// Asks the system for the state that the level's instructions need (AMX
/// tiles); throws Failure(Hardware) if it is refused. Call before starting
/// threads.
void enableLevel(const heddle_level &level);

/// Physical cores this process may use (affinity and cgroup quota applied).
int physicalCores();

/// Hardware threads this process may use.
int logicalCores();

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_CPU_H
