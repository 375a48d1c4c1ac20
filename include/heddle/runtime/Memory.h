//===- Memory.h - What a run needs, and buffers ----------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_MEMORY_H
#define HEDDLE_RUNTIME_MEMORY_H

#include "heddle/runtime/Program.h"
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace heddle::rt {

/// Zero-filled anonymous memory, 64-byte aligned (2 MiB from 2 MiB up).
class Buffer {
public:
  Buffer() = default;
  /// Throws Failure(Limit) if the system has no address space for it.
  explicit Buffer(uint64_t bytes);
  ~Buffer();
  Buffer(Buffer &&other) noexcept;
  Buffer &operator=(Buffer &&other) noexcept;
  void *data() const { return begin; }
  uint64_t size() const { return bytes; }

private:
  void *mapping = nullptr;
  uint64_t mappingBytes = 0;
  void *begin = nullptr;
  uint64_t bytes = 0;
};

/// How the weights come into memory. Auto: copied where they fit.
enum class Loading { Auto, Copy, Map };

struct MemoryRequest {
  int64_t context = 0;     // positions asked for; 0: the default
  int64_t positions = 0;   // positions the run will reach; 0: not known
  int64_t sequences = 1;   // computed side by side, each of that many positions
  int64_t logitsRows = 1;  // R of the largest step
  uint64_t extraBytes = 0; // what the command itself holds
  uint64_t limit = 0;      // --mem-limit in bytes; 0: none
  int threads = 1;
  Loading loading = Loading::Auto;
};

struct MemoryPlan {
  int64_t context = 0; // positions a sequence accepts
  int64_t sequences = 1;
  int64_t capacity = 0; // C of the ABI: what the run can reach, rounded up
  /// Of it, what each sequence has.
  int64_t stride() const { return capacity / sequences; }
  int64_t logitsRows = 1;
  uint64_t weights = 0, caches = 0, arena = 0, logits = 0, other = 0;
  /// Bytes of the mapping that holds caches, arena and logits.
  uint64_t stateBytes() const;
  uint64_t total() const { return weights + anonymous(); }
  uint64_t anonymous() const { return stateBytes() + other; }
  bool contextReduced = false; // the default did not fit and was lowered
  bool copyWeights = true;     // else their file is mapped
  /// Experts that memory has room for at a time; 0: all are there.
  uint64_t expertSlots = 0;
  bool releaseFile = false; // file and copy do not fit side by side
};

/// `bytes` rounded up to whole pages.
uint64_t wholePages(uint64_t bytes);

/// Capacity of the caches for `context` positions.
int64_t cacheCapacity(const Manifest &manifest, int64_t context);

/// Plans a run; throws Failure(Limit) with both numbers where it cannot fit.
MemoryPlan planMemory(const Program &program, const MemoryRequest &request);

/// Bytes that this process can still get (system and cgroup), or UINT64_MAX.
uint64_t availableMemory();

/// Highest resident size so far in bytes, or 0 where the system hides it.
uint64_t peakResidentBytes();

/// "1.5 GiB".
std::string formatBytes(uint64_t bytes);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_MEMORY_H
