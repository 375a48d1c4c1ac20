//===- ThreadTeam.h - Persistent threads and their barrier -----*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_THREADTEAM_H
#define HEDDLE_RUNTIME_THREADTEAM_H

#include <atomic>
#include <cstdint>
#include <pthread.h>
#include <vector>

namespace heddle::rt {

/// A generation counter that waiters spin on briefly, then yield, then sleep.
class Gate {
public:
  uint32_t current() const { return value.load(std::memory_order_acquire); }
  /// Returns once the generation differs from `seen`.
  void wait(uint32_t seen, int spins);
  void advance();

private:
  alignas(64) std::atomic<uint32_t> value{0};
  std::atomic<uint32_t> sleepers{0};
};

/// `size` threads, the caller of run() being thread 0. Not re-entrant.
class ThreadTeam {
public:
  using Job = void (*)(void *arg, int64_t tid, int64_t nthreads);

  /// Throws Failure(Limit) if the system refuses a thread.
  explicit ThreadTeam(int size);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam &) = delete;
  ThreadTeam &operator=(const ThreadTeam &) = delete;

  int size() const { return count; }
  /// Calls job(arg, tid, size()) on every thread; returns when all are done.
  void run(Job job, void *arg);
  /// Returns once all threads of the running job have called it.
  void barrier();

private:
  struct Member {
    ThreadTeam *team;
    int64_t tid;
  };
  static void *enter(void *member);
  void stopMembers();

  int count;
  int spins;
  Job job = nullptr;
  void *argument = nullptr;
  bool stopping = false;
  Gate start, meet;
  alignas(64) std::atomic<int> arrived{0};
  std::vector<Member> members;
  std::vector<pthread_t> threads;
};

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_THREADTEAM_H
