//===- Weights.cpp - Bringing the weights into memory ---------------------===//
//
// Weights that fit are copied onto huge pages of this process: nothing of the
// file stays mapped, so that what happens to it later cannot reach a run. Each
// thread takes pieces as it comes free, reads one and hashes it while it is in
// the cache.
//
//===----------------------------------------------------------------------===//

#include "heddle/runtime/Failure.h"
#include "heddle/runtime/Memory.h"
#include "heddle/runtime/Program.h"
#include "heddle/runtime/ReadAt.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace heddle::rt {

namespace {

// The unit of the hash, and of the work: one huge page.
constexpr uint64_t kPiece = uint64_t(2) << 20;

struct Reading {
  int file;
  uint64_t offset, bytes; // of the weights in the file
  uint8_t *into;          // (bytes,), or one piece per thread if `scratch`
  bool scratch;
  bool mapped;  // `into` is the file: nothing to read
  bool release; // drop the file's pages from the system's cache
  std::vector<uint64_t> hashes;
  std::atomic<uint64_t> next{0};
  std::atomic<int> error{0}; // the first errno, or kEndOfFile
};

// Runs on every thread; leaves failures in `error`, for no exception crosses a
// thread.
void readJob(void *arg, int64_t tid, int64_t) {
  auto &reading = *static_cast<Reading *>(arg);
  while (reading.error.load(std::memory_order_relaxed) == 0) {
    uint64_t piece = reading.next.fetch_add(1, std::memory_order_relaxed);
    if (piece >= reading.hashes.size())
      return;
    uint64_t at = piece * kPiece;
    uint64_t bytes = std::min(kPiece, reading.bytes - at);
    uint8_t *into = reading.into + (reading.scratch ? tid * kPiece : at);
    if (!reading.mapped)
      if (int error = readAt(reading.file, reading.offset + at, bytes, into)) {
        int none = 0;
        reading.error.compare_exchange_strong(none, error);
        return;
      }
    reading.hashes[piece] = XXH3_64bits(into, bytes);
    if (reading.release)
      (void)posix_fadvise(reading.file, static_cast<off_t>(reading.offset + at),
                          static_cast<off_t>(bytes), POSIX_FADV_DONTNEED);
  }
}

} // namespace

void Program::openExternalWeights() {
  const std::string &base = manifestData.weightsFile;
  if (base.empty())
    fail(ExitCode::Malformed, filePath + ": weights_file = absent, limit a "
                                         "base name where the weights are "
                                         "external");
  weightsPath = filePath.substr(0, filePath.rfind('/') + 1) + base;
  weightsFd = open(weightsPath.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (weightsFd < 0 || fstat(weightsFd, &status) != 0)
    fail(ExitCode::InputOutput, weightsPath + ": " + strerror(errno),
         "keep " + base + " beside the program");
  if (uint64_t size = status.st_size; size != weightsBytes)
    fail(ExitCode::Changed, weightsPath + ": size = " + std::to_string(size) +
                                ", limit " + std::to_string(weightsBytes) +
                                "; the file changed since it was compiled");
}

void Program::readWeights(ThreadTeam &team, Extent extent, uint8_t *into,
                          bool mapped, bool release) {
  Reading reading;
  reading.file = weightsOffset ? file : weightsFd;
  reading.offset = weightsOffset;
  reading.bytes = extent.bytes;
  reading.mapped = mapped;
  reading.release = release;
  reading.hashes.resize((extent.bytes + kPiece - 1) / kPiece);
  reading.scratch = !into;
  Buffer scratch(into ? 0 : kPiece * team.size());
  reading.into = into ? into : static_cast<uint8_t *>(scratch.data());
  // Advice only: threads that take turns read in order all the same.
  (void)posix_fadvise(reading.file, static_cast<off_t>(weightsOffset),
                      static_cast<off_t>(extent.bytes), POSIX_FADV_SEQUENTIAL);
  team.run(readJob, &reading);
  if (int error = reading.error)
    failedWeights(error == kEndOfFile ? 0 : error,
                  "weights end = beyond the file, limit " +
                      std::to_string(weightsBytes) + " bytes of weights");
  if (XXH3_64bits(reading.hashes.data(), reading.hashes.size() * 8) !=
      extent.hash)
    changed("weights hash = different");
}

void Program::failedWeights(int error, const std::string &what) const {
  if (error)
    fail(ExitCode::InputOutput,
         (weightsOffset ? filePath : weightsPath) + ": " + strerror(error));
  changed(what);
}

std::vector<uint64_t> Program::readExpertIndex() const {
  std::vector<uint64_t> index(manifestData.expertCount() + 2);
  std::string bytes =
      readRange(weightsFile(), weightsOffset + manifestData.expertIndex,
                index.size() * 8);
  for (size_t i = 0; i < index.size(); ++i)
    index[i] = loadLittle64(bytes.data() + i * 8);
  if (XXH3_64bits(bytes.data(), bytes.size() - 8) != index.back())
    changed("hash of the experts' hashes = different");
  return index;
}

void Program::loadWeights(const MemoryPlan &plan, ThreadTeam &team) {
  if (!weightsOffset && weightsFd < 0)
    openExternalWeights();
  Extent all{weightsBytes, weightsHash};
  if (plan.copyWeights) {
    if (plan.expertSlots)
      all = {manifestData.denseBytes, readExpertIndex().front()};
    weightsCopy = std::make_unique<Buffer>(all.bytes);
    auto *into = static_cast<uint8_t *>(weightsCopy->data());
    readWeights(team, all, into, /*mapped=*/false, plan.releaseFile);
    weightsData = into;
    return;
  }
  void *mapped =
      mmap(nullptr, std::max<uint64_t>(weightsBytes, 1), PROT_READ, MAP_PRIVATE,
           weightsOffset ? file : weightsFd, static_cast<off_t>(weightsOffset));
  if (mapped == MAP_FAILED)
    fail(ExitCode::Limit, filePath +
                              ": weights = " + std::to_string(weightsBytes) +
                              " bytes cannot be mapped: " + strerror(errno));
  weightsData = static_cast<uint8_t *>(mapped);
  readWeights(team, all, static_cast<uint8_t *>(mapped), /*mapped=*/true,
              /*release=*/false);
}

void Program::verifyWeights(ThreadTeam &team) {
  if (!weightsOffset && weightsFd < 0)
    openExternalWeights();
  readWeights(team, {weightsBytes, weightsHash}, nullptr, /*mapped=*/false,
              /*release=*/false);
}

} // namespace heddle::rt
