//===- DirectReader.cpp - Parallel reads past the page cache --------------===//

#include "heddle/runtime/DirectReader.h"
#include "heddle/runtime/Failure.h"
#include "heddle/runtime/ReadAt.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <liburing.h>
#include <unistd.h>
#include <vector>

namespace heddle::rt {

namespace {
// Reads under way at once, and bytes of one. A disk needs some MiB of requests
// to be busy; more, or larger ones, and pieces arrive all at the end, when
// nothing is left to read while they are looked at.
constexpr unsigned kDepth = 16;
constexpr uint64_t kReadBytes = uint64_t(512) << 10;
} // namespace

DirectReader::DirectReader(int fd) {
  std::string path = "/proc/self/fd/" + std::to_string(fd);
  file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (file < 0)
    file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    fail(ExitCode::InputOutput, "weights: " + std::string(strerror(errno)));
  auto fresh = std::make_unique<io_uring>();
  if (io_uring_queue_init(kDepth, fresh.get(), 0) == 0)
    ring = std::move(fresh);
}

DirectReader::~DirectReader() {
  if (ring)
    io_uring_queue_exit(ring.get());
  if (file >= 0)
    close(file);
}

int DirectReader::read(const Piece &piece) const {
  return readAt(file, piece.offset, piece.bytes, piece.into);
}

int DirectReader::readRuns(std::span<const Piece> pieces,
                           void (*each)(void *, size_t), void *arg) {
  // A read is some whole pieces that are neighbours, or a part of one.
  struct Read {
    size_t first, end;
    uint64_t from, bytes; // of the first piece; of all
    size_t vector;
  };
  std::vector<Read> reads;
  std::vector<iovec> vectors;
  std::vector<uint64_t> left;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece &piece = pieces[i];
    left.push_back(piece.bytes);
    if (i > 0 && reads.back().from == 0 &&
        pieces[i - 1].offset + pieces[i - 1].bytes == piece.offset &&
        reads.back().bytes + piece.bytes <= kReadBytes) {
      vectors.push_back({piece.into, piece.bytes});
      reads.back().end = i + 1;
      reads.back().bytes += piece.bytes;
      continue;
    }
    for (uint64_t from = 0; from < piece.bytes; from += kReadBytes) {
      uint64_t bytes = std::min(kReadBytes, piece.bytes - from);
      reads.push_back({i, i + 1, from, bytes, vectors.size()});
      vectors.push_back({piece.into + from, bytes});
    }
  }
  size_t next = 0, flying = 0;
  int error = 0;
  while (flying || (next < reads.size() && !error)) {
    for (; next < reads.size() && flying < kDepth && !error; ++next, ++flying) {
      const Read &run = reads[next];
      io_uring_sqe *entry = io_uring_get_sqe(ring.get());
      io_uring_prep_readv(entry, file, &vectors[run.vector],
                          static_cast<unsigned>(run.end - run.first),
                          pieces[run.first].offset + run.from);
      io_uring_sqe_set_data64(entry, next);
    }
    int submitted = io_uring_submit_and_wait(ring.get(), 1);
    if (submitted < 0 && submitted != -EINTR && submitted != -EAGAIN &&
        submitted != -EBUSY)
      // Reads may be under way: whoever gets an error uses no buffer again.
      return -submitted;
    io_uring_cqe *done = nullptr;
    while (io_uring_peek_cqe(ring.get(), &done) == 0) {
      const Read &run = reads[io_uring_cqe_get_data64(done)];
      bool whole =
          done->res >= 0 && static_cast<uint64_t>(done->res) == run.bytes;
      io_uring_cqe_seen(ring.get(), done);
      --flying;
      for (size_t i = run.first; i < run.end && !error; ++i) {
        Piece part = pieces[i];
        if (run.end == run.first + 1)
          part = {part.offset + run.from, run.bytes, part.into + run.from};
        // What came short, or not at all, is read again, which says why.
        if (!whole)
          error = read(part);
        left[i] -= part.bytes;
        if (!error && left[i] == 0)
          each(arg, i);
      }
    }
  }
  return error;
}

} // namespace heddle::rt
