//===- ModelFile.cpp - The files of a checkpoint's directory --------------===//
#include "heddle/Import/HuggingFace.h"
#include "heddle/Import/SpanReader.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <cstring>
#include <sys/stat.h>

namespace heddle::import {

namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

static const char *kindOf(mode_t mode) {
  if (S_ISDIR(mode))
    return "directory";
  if (S_ISFIFO(mode))
    return "FIFO";
  return "neither a file nor a link";
}

// Where a link may lead: into its directory, or, from DIR/snapshots/REVISION,
// to DIR/blobs, which is how the hub's cache keeps a file once for all
// revisions.
static bool mayLeadTo(llvm::StringRef directory, llvm::StringRef target) {
  auto within = [&](llvm::StringRef root) {
    return target.consume_front(root) && target.starts_with("/");
  };
  if (within(directory))
    return true;
  llvm::StringRef snapshots = path::parent_path(directory);
  return path::filename(snapshots) == "snapshots" &&
         within((path::parent_path(snapshots) + "/blobs").str());
}

llvm::Expected<std::optional<MappedFile>>
openModelFile(llvm::StringRef directory, llvm::StringRef name) {
  if (name.empty() || name == "." || name == ".." ||
      name.find_first_of(llvm::StringRef("/\\\0", 3)) != name.npos)
    return malformed(directory, "file name", quoted(name),
                     "a name without a path");
  std::string file = (directory + "/" + name).str();
  struct stat status;
  if (::lstat(file.c_str(), &status) != 0) {
    if (errno == ENOENT)
      return std::nullopt;
    return failure(ExitCode::InputOutput, file + ": " + std::strerror(errno));
  }
  if (S_ISLNK(status.st_mode)) {
    llvm::SmallString<256> root, target;
    if (std::error_code ec = fs::real_path(directory, root))
      return failure(ExitCode::InputOutput,
                     directory.str() + ": " + ec.message());
    if (std::error_code ec = fs::real_path(file, target))
      return malformed(file, "link", ec.message(), "a link to a file");
    if (!mayLeadTo(root, target))
      return malformed(file, "link to", quoted(target),
                       "a file of the directory, or of the hub cache's blobs");
    if (::stat(file.c_str(), &status) != 0)
      return failure(ExitCode::InputOutput, file + ": " + std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode))
    return malformed(file, "file type", kindOf(status.st_mode), "regular file");
  if (status.st_nlink > 1)
    return malformed(file, "hard links", llvm::Twine(uint64_t(status.st_nlink)),
                     "1: another name may change the file");
  auto mapped = MappedFile::open(file);
  if (!mapped)
    return mapped.takeError();
  return std::optional<MappedFile>(std::move(*mapped));
}

} // namespace heddle::import
