//===- Confined.cpp - Text of strangers in a process of its own -----------===//
#include "heddle/Driver/Confined.h"
#include "heddle/Support/Error.h"
#include "heddle/Support/OutputFile.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FileSystem.h"
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <new>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace heddle {

namespace {
bool isConfined = false;

void setCpu(rlim_t seconds) {
  struct rlimit limit;
  ::getrlimit(RLIMIT_CPU, &limit);
  limit.rlim_cur = std::min(seconds, limit.rlim_max);
  ::setrlimit(RLIMIT_CPU, &limit);
}

// Exit statuses that only the parent sees: it has the file's name.
constexpr int kNoMemory = 125, kFatal = 124;

void confine(uint64_t memory) {
  isConfined = true;
  // Whoever ends the parent ends this, which removes its files first.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  struct rlimit core = {0, 0}, data = {memory, memory};
  ::setrlimit(RLIMIT_CORE, &core);
  ::setrlimit(RLIMIT_DATA, &data);
  std::set_new_handler([] { ::_exit(kNoMemory); });
  llvm::remove_bad_alloc_error_handler();
  llvm::install_bad_alloc_error_handler(
      [](void *, const char *, bool) { ::_exit(kNoMemory); });
  llvm::remove_fatal_error_handler();
  llvm::install_fatal_error_handler(
      [](void *, const char *, bool) { ::_exit(kFatal); });
}
} // namespace

int confined(llvm::StringRef file, llvm::function_ref<int()> work) {
  uint64_t size = 0;
  (void)llvm::sys::fs::file_size(file, size);
  uint64_t memory = (uint64_t(4) << 30) + size * 1024;
  pid_t child = ::fork();
  if (child < 0)
    return report(failure(ExitCode::Limit,
                          file.str() + ": a process: " + std::strerror(errno)));
  if (child == 0) {
    confine(memory);
    ::exit(finishOutput(work()));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  auto say = [&](ExitCode code, const std::string &what) {
    return report(failure(code, file.str() + ": " + what));
  };
  if (WIFSIGNALED(status)) {
    int signal = WTERMSIG(status);
    return signal == SIGXCPU
               ? say(ExitCode::Limit, "processor time = more, limit some "
                                      "seconds for each MiB of text")
               : say(ExitCode::Malformed,
                     fmt::format("text = ends MLIR with signal {}, limit what "
                                 "its parser and passes survive",
                                 signal));
  }
  int code = WEXITSTATUS(status);
  if (code == kNoMemory)
    return say(ExitCode::Limit,
               fmt::format("memory = more, limit {} bytes", memory));
  return code == kFatal ? say(ExitCode::Malformed,
                              "text = a fatal error of MLIR, limit what its "
                              "parser and passes survive")
                        : code;
}

CpuLimit::CpuLimit(uint64_t seconds) {
  struct rusage used;
  if (isConfined && ::getrusage(RUSAGE_SELF, &used) == 0)
    setCpu(used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1 + seconds);
}

CpuLimit::~CpuLimit() {
  if (isConfined)
    setCpu(RLIM_INFINITY);
}

} // namespace heddle
