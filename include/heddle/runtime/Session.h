//===- Session.h - The state of what is generated --------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_SESSION_H
#define HEDDLE_RUNTIME_SESSION_H

#include "heddle/runtime/Experts.h"
#include "heddle/runtime/Memory.h"
#include "heddle/runtime/Program.h"
#include "heddle/runtime/ThreadTeam.h"
#include "heddle/runtime/heddle_rt.h"
#include <chrono>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace heddle::rt {

/// Caches and positions of one sequence or of several that are computed side
/// by side, and scratch. The program, its weights loaded, and the team outlive
/// it.
class Session {
public:
  Session(Program &program, const heddle_level &level, const MemoryPlan &plan,
          ThreadTeam &team);

  /// Of a program that has experts, else null.
  Experts *experts() { return expertStore.get(); }

  /// Of the plan; the first is the one that is meant where none is named.
  int64_t sequences() const { return plan.sequences; }
  /// Back to `position`, at most the current one. What caches hold of later
  /// positions stays; no position before them reads it.
  void rewind(int64_t position, int64_t sequence = 0);
  int64_t position() const { return next.front(); }
  int64_t context() const { return plan.context; }
  /// Largest T of one step.
  int64_t maxChunk() const;

  /// Runs `tokens` (each in [0, V), else Failure(Malformed)) at the next
  /// positions of a sequence and returns the logits of the last, (V,) float32,
  /// valid until the next call. Throws Failure(Limit) if they do not fit the
  /// context.
  const float *feed(std::span<const int32_t> tokens, int64_t sequence = 0);

  /// The next tokens of some sequence.
  struct Piece {
    int64_t sequence;
    std::span<const int32_t> tokens;
  };
  /// Runs `pieces`, of sequences that differ, in one step of at most maxChunk()
  /// and the plan's logitsRows tokens; returns the logits of every token,
  /// (T, V) float32 in the order of the pieces. They are those that each piece
  /// has alone.
  const float *feedTogether(std::span<const Piece> pieces);

  /// Seconds of steps by kernel, in the manifest's order: from when the first
  /// thread begins it to when one begins the next, or to the step's end.
  using KernelTimes = std::vector<double>;
  /// Has steps add to `times`, which has an entry for each kernel of the
  /// manifest, until called with null.
  void time(KernelTimes *times);

private:
  // The ABI's context first, so that the barrier finds the team from it.
  using Clock = std::chrono::steady_clock;
  /// What one thread began, in order: the same for all of them.
  struct alignas(64) Marks {
    std::vector<std::pair<int64_t, Clock::time_point>> begun;
  };
  struct StepContext {
    heddle_context abi;
    ThreadTeam *team;
    heddle_step_fn fn;
    std::vector<Marks> *marks; // by thread
  };
  static void mark(heddle_context *ctx, int64_t tid, int64_t kernel);
  static void barrier(heddle_context *ctx, int64_t tid, int64_t nthreads);
  static void stepJob(void *arg, int64_t tid, int64_t nthreads);
  void addTimes(Clock::time_point end);
  void check(const Piece &piece) const;
  // One step; `rows` of the step's last rows get logits.
  void step(std::span<const Piece> pieces, int64_t rows);

  const Manifest &manifest;
  const heddle_level &level;
  MemoryPlan plan;
  std::unique_ptr<Experts> expertStore;
  std::vector<const void *> params;
  Buffer state; // caches, arena and logits, each from a page's start
  std::vector<void *> caches;
  std::vector<int32_t> tokenBuffer, positions, starts, rowIndex;
  std::vector<int64_t> next; // position of each sequence
  std::vector<Marks> marks;
  KernelTimes *times = nullptr;
  StepContext context_{};
};

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_SESSION_H
