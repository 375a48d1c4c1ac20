//===- ThreadTeam.cpp - Persistent threads and their barrier --------------===//

#include "heddle/runtime/ThreadTeam.h"
#include "heddle/runtime/Cpu.h"
#include "heddle/runtime/Failure.h"
#include <climits>
#include <cstring>
#include <linux/futex.h>
#include <sched.h>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

namespace heddle::rt {

namespace {

// About 20 µs of spinning: longer than a balanced kernel's skew, shorter than
// what a descheduled neighbour costs.
constexpr int kSpins = 1000;
constexpr int kYields = 64;

// Tells an x86 core that it waits; elsewhere the load of the loop is the wait.
void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

void futexWait(std::atomic<uint32_t> &word, uint32_t expected) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE,
          expected, nullptr, nullptr, 0);
}

void futexWakeAll(std::atomic<uint32_t> &word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE,
          INT_MAX, nullptr, nullptr, 0);
}

} // namespace

void Gate::wait(uint32_t seen, int spins) {
  for (int i = 0; i < spins; ++i) {
    if (current() != seen)
      return;
    pause();
  }
  for (int i = 0; i < kYields; ++i) {
    if (current() != seen)
      return;
    sched_yield();
  }
  // Sequentially consistent with advance(): either it sees the sleeper, or
  // the sleeper sees the new generation.
  sleepers.fetch_add(1);
  while (value.load() == seen)
    futexWait(value, seen);
  sleepers.fetch_sub(1);
}

void Gate::advance() {
  value.fetch_add(1);
  if (sleepers.load() != 0)
    futexWakeAll(value);
}

ThreadTeam::ThreadTeam(int size)
    : count(size), spins(size > logicalCores() ? 0 : kSpins) {
  members.reserve(count);
  threads.reserve(count);
  for (int64_t tid = 1; tid < count; ++tid) {
    members.push_back({this, tid});
    pthread_t thread;
    if (int error = pthread_create(&thread, nullptr, enter, &members.back())) {
      stopMembers();
      fail(ExitCode::Limit, "threads = " + std::to_string(count) + ", limit " +
                                std::to_string(tid) +
                                " on this system: " + strerror(error));
    }
    threads.push_back(thread);
  }
}

ThreadTeam::~ThreadTeam() { stopMembers(); }

void ThreadTeam::stopMembers() {
  stopping = true;
  start.advance();
  for (pthread_t thread : threads)
    pthread_join(thread, nullptr);
}

void *ThreadTeam::enter(void *argument) {
  auto *self = static_cast<Member *>(argument);
  ThreadTeam &team = *self->team;
  for (uint32_t seen = 0;;) {
    team.start.wait(seen, team.spins);
    ++seen;
    if (team.stopping)
      return nullptr;
    team.job(team.argument, self->tid, team.count);
    team.barrier();
  }
}

void ThreadTeam::run(Job function, void *arg) {
  job = function;
  argument = arg;
  if (count > 1)
    start.advance();
  function(arg, 0, count);
  barrier();
}

void ThreadTeam::barrier() {
  if (count == 1)
    return;
  uint32_t seen = meet.current();
  if (arrived.fetch_add(1, std::memory_order_acq_rel) == count - 1) {
    arrived.store(0, std::memory_order_relaxed);
    meet.advance();
    return;
  }
  meet.wait(seen, spins);
}

} // namespace heddle::rt
