//===- Memory.cpp - What a run needs, and buffers -------------------------===//

#include "heddle/runtime/Memory.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <numeric>
#include <sys/mman.h>
#include <sys/resource.h>

namespace heddle::rt {

namespace {

constexpr uint64_t kHugePage = uint64_t(2) << 20;
constexpr int64_t kDefaultContext = 8192;
// A default context is not lowered below this; less is asked for with -c.
constexpr int64_t kLeastDefaultContext = 256;
// Code, heap and stacks of the runtime itself, measured and rounded up.
constexpr uint64_t kProcessBytes = uint64_t(12) << 20;
constexpr uint64_t kThreadBytes = uint64_t(256) << 10;
// Tokenizer per byte of its JSON: text and tables coexist. A merge takes up to
// 43 bytes of a table and at least 6 of the text.
constexpr uint64_t kTokenizerFactor = 10;

// Rings, lists and hashes of a run whose experts come from the file.
constexpr uint64_t kReaderBytes = uint64_t(2) << 20;

constexpr uint64_t kPage = 4096;

// What a Buffer maps.
uint64_t rounded(uint64_t bytes) {
  uint64_t page = bytes >= kHugePage ? kHugePage : kPage;
  return (bytes + page - 1) / page * page;
}

// First number after `key` in a file of "key value" lines; UINT64_MAX if none.
uint64_t readNumber(const std::string &path, const std::string &key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.compare(0, key.size(), key) != 0)
      continue;
    size_t at = line.find_first_of("0123456789", key.size());
    if (at != std::string::npos)
      return strtoull(line.c_str() + at, nullptr, 10);
  }
  return UINT64_MAX;
}

// Headroom of this process's cgroup and its ancestors (version 2).
uint64_t cgroupHeadroom() {
  std::ifstream in("/proc/self/cgroup");
  std::string line, path;
  while (std::getline(in, line))
    if (line.compare(0, 3, "0::") == 0)
      path = line.substr(3);
  uint64_t least = UINT64_MAX;
  for (;; path.resize(path.rfind('/'))) {
    std::string folder = "/sys/fs/cgroup" + path;
    uint64_t most = readNumber(folder + "/memory.max", "");
    uint64_t used = readNumber(folder + "/memory.current", "");
    if (most != UINT64_MAX && used != UINT64_MAX) {
      // Cached file pages count as used but are given back on demand.
      uint64_t cached = readNumber(folder + "/memory.stat", "inactive_file ");
      if (cached != UINT64_MAX)
        used -= std::min(used, cached);
      least = std::min(least, most > used ? most - used : 0);
    }
    if (path.find('/') == std::string::npos)
      return least;
  }
}

std::string bytesText(uint64_t bytes) { return std::to_string(bytes); }

} // namespace

Buffer::Buffer(uint64_t size) : bytes(size) {
  uint64_t alignment = size >= kHugePage ? kHugePage : 0;
  mappingBytes = std::max<uint64_t>(rounded(size), 4096) + alignment;
  mapping = mmap(nullptr, mappingBytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    mapping = nullptr;
    int error = errno;
    struct rlimit most = {};
    getrlimit(RLIMIT_AS, &most);
    fail(ExitCode::Limit,
         "memory = " + bytesText(size) + " bytes refused by the system (" +
             strerror(error) + "), limit " +
             (most.rlim_cur == RLIM_INFINITY
                  ? bytesText(availableMemory()) + " available"
                  : bytesText(most.rlim_cur) + " of address space"));
  }
  auto address = reinterpret_cast<uintptr_t>(mapping);
  if (alignment) {
    address = (address + alignment - 1) / alignment * alignment;
    // Advice only: without huge pages the program is merely slower.
    (void)madvise(reinterpret_cast<void *>(address), rounded(size),
                  MADV_HUGEPAGE);
  }
  begin = reinterpret_cast<void *>(address);
}

Buffer::~Buffer() {
  if (mapping)
    munmap(mapping, mappingBytes);
}

Buffer::Buffer(Buffer &&other) noexcept { *this = std::move(other); }

Buffer &Buffer::operator=(Buffer &&other) noexcept {
  std::swap(mapping, other.mapping);
  std::swap(mappingBytes, other.mappingBytes);
  std::swap(begin, other.begin);
  std::swap(bytes, other.bytes);
  return *this;
}

uint64_t wholePages(uint64_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

uint64_t MemoryPlan::stateBytes() const {
  return rounded(caches + arena + logits);
}

int64_t cacheCapacity(const Manifest &manifest, int64_t context) {
  int64_t multiple = 1;
  for (const CacheEntry &cache : manifest.caches)
    multiple = std::lcm(multiple, int64_t(cache.positionMultiple));
  return (context + multiple - 1) / multiple * multiple;
}

uint64_t availableMemory() {
  uint64_t system = readNumber("/proc/meminfo", "MemAvailable:");
  if (system != UINT64_MAX)
    system *= 1024;
  return std::min(system, cgroupHeadroom());
}

uint64_t peakResidentBytes() {
  uint64_t kib = readNumber("/proc/self/status", "VmHWM:");
  return kib == UINT64_MAX ? 0 : kib * 1024;
}

std::string formatBytes(uint64_t bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  uint64_t tenths = bytes * 10;
  for (; tenths >= 10240 && unit < 4; ++unit)
    tenths /= 1024;
  std::string text = std::to_string(tenths / 10);
  if (unit > 0 && tenths < 1000)
    text += "." + std::to_string(tenths % 10);
  return text + " " + units[unit];
}

MemoryPlan planMemory(const Program &program, const MemoryRequest &request) {
  const Manifest &manifest = program.manifest();
  if (request.context > manifest.context)
    fail(ExitCode::Limit,
         "--context = " + std::to_string(request.context) + ", limit " +
             std::to_string(manifest.context),
         request.context <= manifest.modelContext
             ? "compile with `--context=" + std::to_string(request.context) +
                   "`"
             : "");
  if (request.sequences > 1 && !manifest.takesSequences)
    fail(ExitCode::Unsupported, program.path() + ": sequences at once = " +
                                    std::to_string(request.sequences) +
                                    ", limit 1 of this program's steps");
  uint64_t available = availableMemory();
  uint64_t most =
      std::min(available, request.limit ? request.limit : available);
  auto planFor = [&](int64_t context, int64_t positions) {
    if (cacheCapacity(manifest, positions) > INT32_MAX / request.sequences)
      fail(ExitCode::Limit,
           "positions of all sequences = " + std::to_string(request.sequences) +
               " x " + std::to_string(positions) + ", limit " +
               std::to_string(INT32_MAX));
    MemoryPlan plan;
    plan.context = context;
    plan.sequences = request.sequences;
    plan.capacity = cacheCapacity(manifest, positions) * plan.sequences;
    plan.logitsRows = request.logitsRows;
    plan.copyWeights = request.loading != Loading::Map;
    plan.weights = plan.copyWeights ? rounded(program.weightsSize())
                                    : program.weightsSize();
    for (const CacheEntry &cache : manifest.caches)
      plan.caches += wholePages(cache.bytesPerPosition * plan.capacity);
    plan.arena = wholePages(manifest.arenaBytes);
    plan.logits =
        wholePages(request.logitsRows * manifest.vocab * sizeof(float));
    plan.other = kProcessBytes + kThreadBytes * request.threads +
                 kTokenizerFactor * program.tokenizerSize() +
                 request.extraBytes;
    // Experts that do not fit stay in the file, but those of any layer.
    if (manifest.expertGroups.empty() || request.loading != Loading::Auto ||
        plan.total() <= most)
      return plan;
    plan.other += kReaderBytes;
    uint64_t rest = rounded(manifest.denseBytes) + plan.anonymous() + kHugePage,
             slots = rest < most ? (most - rest) / manifest.expertBytes() : 0;
    plan.expertSlots =
        std::clamp(slots, manifest.mostExperts(), manifest.expertCount());
    plan.weights = rounded(manifest.denseBytes) +
                   rounded(plan.expertSlots * manifest.expertBytes());
    return plan;
  };
  auto fits = [&](const MemoryPlan &plan) {
    return (!request.limit || plan.total() <= request.limit) &&
           plan.total() <= available;
  };

  int64_t wanted = request.context
                       ? request.context
                       : std::min(manifest.context, kDefaultContext);
  MemoryPlan plan = planFor(wanted, wanted);
  if (!request.context) {
    int64_t least = std::min(wanted, kLeastDefaultContext);
    for (int64_t context = wanted; !fits(plan) && context > least;) {
      context = std::max(context / 2, least);
      plan = planFor(context, context);
    }
  }
  std::string at = " at a context of " + std::to_string(plan.context);
  if (plan.expertSlots)
    at += " and " + std::to_string(plan.expertSlots) + " experts";
  std::string hint = plan.context > kLeastDefaultContext
                         ? "a smaller context needs less: `-c " +
                               std::to_string(kLeastDefaultContext) + "`"
                         : "";
  if (request.limit && plan.total() > request.limit)
    fail(ExitCode::Limit,
         "memory = " + bytesText(plan.total()) + " bytes" + at +
             ", limit --mem-limit = " + bytesText(request.limit),
         hint);
  // What does not fit beside what the run writes stays in the file, whose
  // pages the system can drop and read again.
  if (request.loading == Loading::Auto && plan.total() > available) {
    plan.copyWeights = false;
    plan.expertSlots = 0;
    plan.weights = program.weightsSize();
  }
  uint64_t held = plan.copyWeights ? plan.total() : plan.anonymous();
  if (held > available)
    fail(ExitCode::Limit,
         "memory = " + bytesText(held) + " bytes" + at + ", limit " +
             bytesText(available) + " available",
         hint);
  // The context must fit as a whole; what is mapped is what the run can reach,
  // because caches strided by their capacity touch every page at once.
  if (request.positions > 0 && request.positions < plan.context) {
    MemoryPlan smaller = planFor(plan.context, request.positions);
    if (!plan.copyWeights) {
      smaller.weights = plan.weights;
      smaller.expertSlots = 0;
    }
    smaller.copyWeights = plan.copyWeights;
    plan = smaller;
  }
  plan.contextReduced = plan.context < wanted;
  plan.releaseFile = plan.total() + plan.weights > available;
  return plan;
}

} // namespace heddle::rt
