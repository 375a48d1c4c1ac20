//===- Experts.h - Where experts are, in memory or in the file -*- C++ -*-===//
//
// Generated code finds an expert by its address (`heddle_experts` of
// heddle_rt.h). In a run whose experts all fit, addresses never change. Else
// memory has slots for some of them: a kernel asks for those that it is about
// to read, and what is missing takes the slots that were used longest ago
// (docs/streaming.md).
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_RUNTIME_EXPERTS_H
#define HEDDLE_RUNTIME_EXPERTS_H

#include "heddle/runtime/DirectReader.h"
#include "heddle/runtime/Memory.h"
#include "heddle/runtime/Program.h"
#include "heddle/runtime/ThreadTeam.h"
#include "heddle/runtime/heddle_rt.h"
#include <atomic>
#include <memory>
#include <vector>

namespace heddle::rt {

class Experts {
public:
  /// The weights are loaded as `plan` says; where that leaves experts in the
  /// file, the slots are filled with what the program's profile says is used
  /// most. Throws Failure(Changed, InputOutput).
  Experts(Program &program, const MemoryPlan &plan, ThreadTeam &team);

  /// What `ctx->params` has for parameter `index`, which is one of experts.
  const void *table(size_t index) const { return tables.at(index).data(); }

  /// Asked of a kernel that reads: chosen experts, per layer.
  struct Counts {
    uint64_t hits = 0, misses = 0; // in memory or not
    uint64_t bytesRead = 0;
    double readSeconds = 0;
  };
  bool streams() const { return slots != 0; }
  uint64_t slotCount() const { return slots; }
  const Counts &counts() const { return total; }
  void resetCounts() { total = Counts(); }

  /// Begins, afresh, or ends to count, in `uses()[group][expert]`, how many
  /// tokens went where, and the bytes of the experts that steps went to, once a
  /// step.
  void profile(bool begin);
  const std::vector<std::vector<uint64_t>> &uses() const { return used; }
  uint64_t usedBytes() const { return readByAny; }

  /// Throws what went wrong in a step since the last call. Results of that
  /// step are worthless.
  void check();

  /// Bytes a second of reads like those of a miss, of places all over the
  /// file, for about `seconds`; 0 where nothing streams. What is in memory
  /// stays.
  double measureDisk(double seconds);

private:
  static void fetch(heddle_experts *table, const int32_t *chosen, int64_t count,
                    int64_t grouped);
  struct Owner {
    Experts *experts;
    size_t group;
    bool counts; // of a layer's matrices, the first
  };
  struct Slot {
    int32_t group = -1, expert = -1; // nobody's: -1
    int32_t newer = -1, older = -1;  // by use
  };

  void choose(const Owner &owner, const int32_t *chosen, int64_t count,
              bool grouped);
  void count(const Owner &owner, const int32_t *chosen, int64_t count,
             bool grouped);
  void want(size_t group, int32_t expert, bool counted);
  void bring();
  void bringOthers();
  bool accept(size_t request);
  void fillFromProfile();
  void failed(int error);
  void touch(int32_t slot);
  uint8_t *slotData(int32_t slot) const;

  Program &program;
  const Manifest &manifest;
  ThreadTeam &team;
  std::vector<std::vector<uint64_t>> tables; // by parameter; not experts': none
  std::vector<std::unique_ptr<Owner>> owners;

  // Where experts stream.
  uint64_t slots = 0, slotBytes = 0;
  Buffer memory;
  std::unique_ptr<DirectReader> reader;
  std::vector<Slot> slotTable;
  int32_t newest = -1, oldest = -1;
  std::vector<std::vector<int32_t>> slotOf, placeOf; // [group][expert]
  std::vector<std::vector<uint64_t>> hashes;         // [group][place]
  struct Request {
    DirectReader::Piece piece;
    int32_t slot;
  };
  std::vector<Request> requests;
  std::atomic<size_t> nextRequest{0};
  std::atomic<uint64_t> tickets{0};
  std::atomic<int> error{0}; // errno, kEndOfFile or kChanged
  Counts total;
  std::vector<std::vector<uint64_t>> used;
  uint64_t readByAny = 0;
};

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_EXPERTS_H
