//===- OutputFile.cpp - Files that are whole or not there -----------------===//
#include "heddle/Support/OutputFile.h"
#include "heddle/Support/Error.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Signals.h"
#include <csignal>
#include <fcntl.h>
#include <new>
#include <unistd.h>

namespace fs = llvm::sys::fs;

namespace heddle {

llvm::Error OutputFile::failed(std::error_code code) const {
  return failure(ExitCode::InputOutput, target + ": " + code.message());
}

// A new file of a name after `model`, which a signal removes: from before it is
// there, so that none comes between.
static std::error_code createRemoved(const llvm::Twine &model, int &fd,
                                     std::string &path) {
  std::error_code ec;
  for (int i = 0; i < 100; ++i) {
    llvm::SmallString<128> name;
    fs::createUniquePath(model, name, /*MakeAbsolute=*/false);
    llvm::sys::RemoveFileOnSignal(name);
    ec = fs::openFileForWrite(name, fd, fs::CD_CreateNew, fs::OF_None, 0600);
    if (!ec) {
      path = name.str().str();
      return ec;
    }
    llvm::sys::DontRemoveFileOnSignal(name);
    if (ec != std::errc::file_exists)
      return ec;
  }
  return ec;
}

OutputFile::~OutputFile() {
  // Closing flushes, and a stream that dies with an error ends the process.
  if (stream) {
    stream->close();
    stream->clear_error();
    stream.reset();
  }
  if (temporary.empty())
    return;
  fs::remove(temporary);
  llvm::sys::DontRemoveFileOnSignal(temporary);
}

llvm::Error OutputFile::open(llvm::StringRef name) {
  target = name.str();
  fs::file_status status;
  (void)fs::status(target, status);
  if (fs::is_directory(status))
    return failed(std::make_error_code(std::errc::is_a_directory));
  int fd;
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    if (std::error_code ec =
            fs::openFileForWrite(target, fd, fs::CD_OpenExisting, fs::OF_None))
      return failed(ec);
  } else {
    if (std::error_code ec =
            createRemoved(target + ".tmp%%%%%%", fd, temporary))
      return failed(ec);
  }
  stream = std::make_unique<llvm::raw_fd_ostream>(fd, /*shouldClose=*/true);
  return llvm::Error::success();
}

llvm::raw_pwrite_stream &OutputFile::os() { return *stream; }

llvm::Error OutputFile::check() {
  if (!stream->has_error())
    return llvm::Error::success();
  std::error_code ec = stream->error();
  stream->clear_error();
  return failed(ec);
}

llvm::Error OutputFile::finish(bool executable) {
  stream->close();
  if (llvm::Error error = check())
    return error;
  stream.reset();
  if (temporary.empty())
    return llvm::Error::success();
  fs::perms mode = fs::all_read | fs::owner_write;
  if (executable)
    mode |= fs::all_exe;
  if (std::error_code ec = fs::setPermissions(temporary, mode))
    return failed(ec);
  return llvm::Error::success();
}

llvm::Error OutputFile::rename() {
  if (temporary.empty())
    return llvm::Error::success();
  if (std::error_code ec = fs::rename(temporary, target))
    return failed(ec);
  llvm::sys::DontRemoveFileOnSignal(temporary);
  temporary.clear();
  return llvm::Error::success();
}

llvm::Error
writeFile(llvm::StringRef name,
          llvm::function_ref<llvm::Error(llvm::raw_pwrite_stream &)> write) {
  OutputFile file;
  if (llvm::Error error = file.open(name))
    return error;
  if (llvm::Error error = write(file.os()))
    return error;
  if (llvm::Error error = file.finish())
    return error;
  return file.rename();
}

llvm::Error ScratchFile::create(llvm::StringRef suffix) {
  llvm::SmallString<128> model;
  llvm::sys::path::system_temp_directory(/*erasedOnReboot=*/true, model);
  llvm::sys::path::append(model, "heddle-%%%%%%." + suffix);
  int fd;
  if (std::error_code ec = createRemoved(model, fd, path))
    return failure(ExitCode::InputOutput,
                   model.str().str() + ": " + ec.message());
  ::close(fd);
  return llvm::Error::success();
}

ScratchFile::~ScratchFile() {
  if (path.empty())
    return;
  fs::remove(path);
  llvm::sys::DontRemoveFileOnSignal(path);
}

// LLVM's own handlers, which remove files, come before these once there is a
// file to remove, and raise the signal again.
static void onStop(int signal) { _exit(128 + signal); }

static void onTruncated(int) {
  static const char line[] =
      "heddle: error: a file was truncated while it was read\n";
  (void)!write(2, line, sizeof(line) - 1);
  _exit(static_cast<int>(ExitCode::Changed));
}

// LLVM ends the process where it has no memory or no thread.
[[noreturn]] static void onNoMemory() {
  llvm::sys::RunInterruptHandlers(); // removes files
  static const char line[] = "heddle: error: memory = refused by the system\n";
  (void)!write(2, line, sizeof(line) - 1);
  _exit(static_cast<int>(ExitCode::Limit));
}

[[noreturn]] static void onFatal(void *, const char *why, bool) {
  llvm::sys::RunInterruptHandlers();
  llvm::StringRef text = why;
  bool threads = text.contains("pthread_create");
  _exit(report(threads
                   ? failure(ExitCode::Limit,
                             "threads = more, limit of this system: " +
                                 text.split(": ").second.str(),
                             "heddle compile --jobs=1 …")
                   : failure(ExitCode::Bug, "bug in Heddle: " + text.str())));
}

void prepareProcess() {
  // A file that is opened later must not land on a closed descriptor.
  (void)llvm::sys::Process::FixupStandardFileDescriptors();
  std::signal(SIGPIPE, SIG_IGN);
  // Past a file size limit, a write fails with EFBIG.
  std::signal(SIGXFSZ, SIG_IGN);
  for (int signal : {SIGINT, SIGTERM})
    std::signal(signal, onStop);
  std::signal(SIGBUS, onTruncated);
  std::set_new_handler(onNoMemory);
  llvm::install_bad_alloc_error_handler(
      [](void *, const char *, bool) { onNoMemory(); });
  llvm::install_fatal_error_handler(onFatal);
}

int finishOutput(int code, llvm::StringRef tool) {
  // A stream that dies with an error ends the process.
  llvm::raw_fd_ostream &out = llvm::outs(), &log = llvm::errs();
  out.flush();
  log.clear_error();
  if (!out.has_error())
    return code;
  std::error_code ec = out.error();
  out.clear_error();
  if (code || ec == std::errc::broken_pipe)
    return code;
  return report(
      failure(ExitCode::InputOutput, "standard output: " + ec.message()), tool);
}

} // namespace heddle
