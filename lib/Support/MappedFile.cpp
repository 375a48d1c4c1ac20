//===- MappedFile.cpp - A regular file, mapped read-only ------------------===//
#include "heddle/Support/MappedFile.h"
#include "heddle/Support/Error.h"
#include "llvm/ADT/ScopeExit.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace heddle {

static const char *kindOf(mode_t mode) {
  if (S_ISDIR(mode))
    return "directory";
  if (S_ISFIFO(mode))
    return "FIFO";
  if (S_ISSOCK(mode))
    return "socket";
  return "device";
}

llvm::Expected<MappedFile> MappedFile::open(llvm::StringRef path) {
  auto fail = [&](const char *call, int code) {
    return failure(
        ExitCode::InputOutput,
        fmt::format("{}: {}: {}", path.str(), call, std::strerror(code)));
  };
  if (path.contains('\0'))
    return fail("open", ENOENT);
  // O_NONBLOCK: opening a FIFO for reading would otherwise wait for a writer.
  int fd = ::open(path.str().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return fail("open", errno);
  llvm::scope_exit close([fd] { ::close(fd); });
  struct stat status;
  // The descriptor is asked, not the name: the name may change in between.
  if (::fstat(fd, &status) != 0)
    return fail("fstat", errno);
  if (!S_ISREG(status.st_mode))
    return failure(ExitCode::InputOutput,
                   fmt::format("{}: file type = {}, limit regular file",
                               path.str(), kindOf(status.st_mode)));
  MappedFile file;
  if (status.st_size == 0)
    return file; // mmap refuses a length of zero.
  std::error_code ec;
  file.region = llvm::sys::fs::mapped_file_region(
      fd, llvm::sys::fs::mapped_file_region::readonly,
      static_cast<size_t>(status.st_size), 0, ec);
  if (ec)
    return failure(ExitCode::InputOutput,
                   fmt::format("{}: mmap: {}", path.str(), ec.message()));
  return file;
}

} // namespace heddle
