//===- DirectReader.cpp - Parallel reads past the page cache --------------===//

#include "heddle/runtime/DirectReader.h"
#include "heddle/runtime/Failure.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <liburing.h>
#include <unistd.h>
#include <vector>

namespace heddle::rt {

namespace {
// Reads under way at once: a few MiB each, more than any disk needs to be busy.
constexpr unsigned kDepth = 16;
// Of one read; the kernel cuts it to what the device takes.
constexpr uint64_t kRunBytes = uint64_t(8) << 20;
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
  for (uint64_t done = 0; done < piece.bytes;) {
    ssize_t n = pread(file, piece.into + done, piece.bytes - done,
                      static_cast<off_t>(piece.offset + done));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n < 0 ? errno : kEndOfFile;
    done += static_cast<uint64_t>(n);
  }
  return 0;
}

int DirectReader::readRuns(std::span<const Piece> pieces,
                           void (*each)(void *, size_t), void *arg) {
  struct Run {
    size_t first, end;
    uint64_t bytes;
  };
  std::vector<Run> runs;
  std::vector<iovec> vectors;
  for (size_t i = 0; i < pieces.size(); ++i) {
    vectors.push_back({pieces[i].into, pieces[i].bytes});
    if (i > 0 &&
        pieces[i - 1].offset + pieces[i - 1].bytes == pieces[i].offset &&
        runs.back().bytes + pieces[i].bytes <= kRunBytes) {
      runs.back().end = i + 1;
      runs.back().bytes += pieces[i].bytes;
    } else {
      runs.push_back({i, i + 1, pieces[i].bytes});
    }
  }
  size_t next = 0, flying = 0;
  int error = 0;
  while (flying || (next < runs.size() && !error)) {
    for (; next < runs.size() && flying < kDepth && !error; ++next, ++flying) {
      const Run &run = runs[next];
      io_uring_sqe *entry = io_uring_get_sqe(ring.get());
      io_uring_prep_readv(entry, file, &vectors[run.first],
                          static_cast<unsigned>(run.end - run.first),
                          pieces[run.first].offset);
      io_uring_sqe_set_data64(entry, next);
    }
    int submitted = io_uring_submit_and_wait(ring.get(), 1);
    if (submitted < 0 && submitted != -EINTR && submitted != -EAGAIN &&
        submitted != -EBUSY)
      // Reads may be under way: whoever gets an error uses no buffer again.
      return -submitted;
    io_uring_cqe *done = nullptr;
    while (io_uring_peek_cqe(ring.get(), &done) == 0) {
      const Run &run = runs[io_uring_cqe_get_data64(done)];
      bool whole =
          done->res >= 0 && static_cast<uint64_t>(done->res) == run.bytes;
      io_uring_cqe_seen(ring.get(), done);
      --flying;
      // What came short, or not at all, is read again, which says why.
      for (size_t i = run.first; i < run.end && !error; ++i) {
        if (!whole)
          error = read(pieces[i]);
        if (!error)
          each(arg, i);
      }
    }
  }
  return error;
}

} // namespace heddle::rt
