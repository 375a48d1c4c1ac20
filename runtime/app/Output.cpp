//===- Output.cpp - Standard streams, files and signals -------------------===//

#include "Output.h"
#include "heddle/runtime/Failure.h"
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace heddle::rt {

namespace {

// Read by signal handlers, hence plain storage.
char unfinished[4096];
volatile sig_atomic_t hasUnfinished = 0;

void removeUnfinished() {
  if (hasUnfinished)
    unlink(unfinished);
}

void onStop(int signal) {
  removeUnfinished();
  _exit(128 + signal);
}

// Of a mapped file (--load=map), a page that cannot be read any more arrives as
// a signal.
void onBusError(int) {
  removeUnfinished();
  static const char text[] =
      "heddle: error: the program's file was truncated while it ran\n";
  (void)!write(2, text, sizeof(text) - 1);
  _exit(static_cast<int>(ExitCode::Changed));
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigaction(signal, &action, nullptr);
}

[[noreturn]] void ioError(const std::string &path) {
  fail(ExitCode::InputOutput, path + ": " + strerror(errno));
}

std::string readAll(int fd, const std::string &name) {
  std::string data;
  for (size_t done = 0;;) {
    data.resize(done + (size_t(1) << 16));
    ssize_t n = read(fd, data.data() + done, data.size() - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      ioError(name);
    done += n;
    data.resize(done);
    if (n == 0)
      return data;
  }
}

} // namespace

void prepareProcess() {
  // A file opened later must not land on a closed standard descriptor.
  for (int fd = 0; fd < 3; ++fd)
    if (fcntl(fd, F_GETFD) < 0)
      (void)!open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);
  handle(SIGPIPE, SIG_IGN);
  // The file size limit too is reported as an error of the write.
  handle(SIGXFSZ, SIG_IGN);
  handle(SIGINT, onStop);
  handle(SIGTERM, onStop);
  handle(SIGHUP, onStop);
  handle(SIGBUS, onBusError);
}

void printOut(std::string_view text) {
  while (!text.empty()) {
    ssize_t n = write(1, text.data(), text.size());
    if (n >= 0) {
      text.remove_prefix(n);
      continue;
    }
    if (errno == EINTR)
      continue;
    if (errno == EPIPE) {
      removeUnfinished();
      _exit(0);
    }
    ioError("standard output");
  }
}

void printNote(const std::string &text) {
  std::string line = "heddle: " + text + "\n";
  (void)!write(2, line.data(), line.size());
}

bool outputIsTerminal() { return isatty(1); }

std::string readFile(const std::string &path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    ioError(path);
  try {
    std::string data = readAll(fd, path);
    close(fd);
    return data;
  } catch (...) {
    close(fd);
    throw;
  }
}

std::string readSome() {
  std::string data(size_t(1) << 16, '\0');
  ssize_t n;
  do {
    n = read(0, data.data(), data.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0)
    ioError("standard input");
  data.resize(n);
  return data;
}

std::string readInput() { return readAll(0, "standard input"); }

AtomicFile::AtomicFile(const std::string &path)
    : target(path), temporary(path + ".tmp." + std::to_string(getpid())) {
  if (temporary.size() >= sizeof(unfinished)) {
    errno = ENAMETOOLONG;
    ioError(path);
  }
  // Renaming over something that is not a plain file would replace it.
  struct stat status;
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    fail(ExitCode::InputOutput, path + ": exists and is not a plain file");
  memcpy(unfinished, temporary.c_str(), temporary.size() + 1);
  hasUnfinished = 1;
  fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) {
    hasUnfinished = 0;
    ioError(path);
  }
}

AtomicFile::~AtomicFile() {
  if (fd < 0)
    return;
  close(fd);
  unlink(temporary.c_str());
  hasUnfinished = 0;
}

void AtomicFile::write(const void *data, uint64_t bytes) {
  auto *from = static_cast<const char *>(data);
  while (bytes) {
    ssize_t n = ::write(fd, from, bytes);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      ioError(target);
    from += n;
    bytes -= n;
  }
}

void AtomicFile::writeAt(uint64_t offset, const void *data, uint64_t bytes) {
  auto *from = static_cast<const char *>(data);
  while (bytes) {
    ssize_t n = pwrite(fd, from, bytes, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      ioError(target);
    from += n;
    offset += n;
    bytes -= n;
  }
}

void AtomicFile::resize(uint64_t bytes) {
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0)
    ioError(target);
}

void AtomicFile::commit() {
  // Errors that the system delayed show here, before the name appears.
  int error = close(fd);
  fd = -1;
  if (error == 0)
    error = rename(temporary.c_str(), target.c_str());
  if (error != 0) {
    int reason = errno;
    unlink(temporary.c_str());
    errno = reason;
  }
  hasUnfinished = 0;
  if (error != 0)
    ioError(target);
}

} // namespace heddle::rt
