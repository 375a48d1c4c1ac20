//===- RunCommand.cpp - heddle run ----------------------------------------===//
//
// The cache holds programs by what they are made of: the bytes of the model's
// files, this compiler and this machine's level. Hashing tens of gigabytes
// takes longer than starting a program, so that the hash of files that nobody
// touched is kept too, by their names, sizes, inodes and times.
//
//===----------------------------------------------------------------------===//
#include "heddle/Driver/Commands.h"
#include "heddle/Driver/Compile.h"
#include "heddle/Support/Error.h"
#include "heddle/Support/MappedFile.h"
#include "heddle/Support/OutputFile.h"
#include "heddle/codegen/Common/Target.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

namespace heddle {

namespace {
using Files = std::vector<std::string>;

/// What a program is made of: a file, the parts of a split set, or what
/// importers read of a directory.
llvm::Expected<Files> filesOf(const std::string &model) {
  fs::file_status status;
  if (auto ec = fs::status(model, status))
    return failure(ExitCode::InputOutput, model + ": " + ec.message());
  bool isDirectory = fs::is_directory(status);
  llvm::StringRef stem = path::stem(model), prefix;
  if (!isDirectory) {
    size_t at = stem.find("-00001-of-");
    if (at == stem.npos)
      return Files{model};
    prefix = stem.take_front(at + 1);
  }
  std::string directory = isDirectory ? model : path::parent_path(model).str();
  if (directory.empty())
    directory = ".";
  Files files;
  std::error_code ec;
  for (fs::directory_iterator it(directory, ec), end; it != end && !ec;
       it.increment(ec)) {
    llvm::StringRef name = path::filename(it->path()),
                    extension = path::extension(name);
    if (isDirectory ? extension == ".json" || extension == ".jinja" ||
                          extension == ".safetensors"
                    : name.starts_with(prefix))
      files.push_back(it->path());
  }
  if (ec)
    return failure(ExitCode::InputOutput, directory + ": " + ec.message());
  llvm::sort(files);
  return files;
}

std::string hexOf(llvm::BLAKE3 &hash) {
  auto digest = hash.final<16>();
  return llvm::toHex(llvm::ArrayRef<uint8_t>(digest.data(), digest.size()),
                     /*LowerCase=*/true);
}

/// A line of what tells a file from its later self.
llvm::Expected<std::string> identityOf(const std::string &file) {
  struct stat s;
  if (::stat(file.c_str(), &s) != 0)
    return failure(ExitCode::InputOutput, file + ": " + std::strerror(errno));
  return fmt::format("{}|{}|{}|{}|{}.{}|{}.{}\n", file, s.st_dev, s.st_ino,
                     s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec,
                     s.st_ctim.tv_sec, s.st_ctim.tv_nsec);
}

/// The hash of the files' names and bytes. What the importer is to refuse (a
/// FIFO, a directory) is left to it.
llvm::Expected<std::string> contentsOf(const Files &files) {
  llvm::BLAKE3 hash;
  for (const std::string &file : files) {
    if (!fs::is_regular_file(file))
      continue;
    auto mapped = MappedFile::open(file);
    if (!mapped)
      return mapped.takeError();
    llvm::ArrayRef<uint8_t> bytes = mapped->bytes();
    hash.update(path::filename(file));
    hash.update(fmt::format("|{}|", bytes.size()));
    hash.update(bytes);
  }
  return hexOf(hash);
}

/// Where programs are kept; "" if nowhere, which is said.
std::string cacheDirectory() {
  auto get = [](const char *name) {
    const char *value = ::getenv(name);
    return std::string(value ? value : "");
  };
  llvm::SmallString<128> dir(get("HEDDLE_CACHE_DIR"));
  if (dir.empty()) {
    std::string xdg = get("XDG_CACHE_HOME"), home = get("HOME");
    if (!xdg.empty())
      path::append(dir, xdg, "heddle");
    else if (!home.empty())
      path::append(dir, home, ".cache", "heddle");
  }
  if (dir.empty()) {
    warning("HEDDLE_CACHE_DIR, XDG_CACHE_HOME and HOME = absent: the program "
            "is not kept");
    return "";
  }
  std::error_code ec = fs::create_directories(dir);
  if (!ec && ::access(dir.c_str(), W_OK | X_OK) != 0)
    ec = std::error_code(errno, std::generic_category());
  if (!ec)
    return dir.str().str();
  warning(dir.str().str() + ": " + ec.message() + ": the program is not kept");
  return "";
}

/// The program's name in the cache.
llvm::Expected<std::string> nameOf(const std::string &model,
                                   const std::string &dir) {
  std::string tool = fs::getMainExecutable(nullptr, nullptr), identity;
  auto levels = codegen::findLevels("native", "heddle run");
  if (!levels)
    return levels.takeError();
  auto toolIdentity = identityOf(tool);
  if (!toolIdentity)
    return toolIdentity.takeError();
  auto files = filesOf(model);
  if (!files)
    return files.takeError();
  for (const std::string &file : *files) {
    llvm::SmallString<128> real;
    (void)fs::real_path(file, real);
    auto line = identityOf(file);
    if (!line)
      return line.takeError();
    identity += real.str().str() + "|" + *line;
  }
  llvm::BLAKE3 identityHash;
  identityHash.update(identity);
  std::string known = dir + "/files-" + hexOf(identityHash), contents;
  if (auto kept = llvm::MemoryBuffer::getFile(known);
      kept && (*kept)->getBufferSize() == 32) {
    contents = (*kept)->getBuffer().str();
  } else {
    auto found = contentsOf(*files);
    if (!found)
      return found.takeError();
    contents = *found;
    // Only time is lost if this cannot be kept.
    llvm::consumeError(writeFile(known, [&](llvm::raw_ostream &os) {
      os << contents;
      return llvm::Error::success();
    }));
  }
  llvm::BLAKE3 hash;
  hash.update(contents);
  hash.update(*toolIdentity);
  hash.update((*levels)[0]->name);
  llvm::StringRef stem = path::stem(llvm::StringRef(model).rtrim('/'));
  return fmt::format("{}/{}-{}", dir, stem.str(), hexOf(hash));
}

llvm::Error compileTo(const std::string &model, const std::string &program) {
  CompileOptions options;
  options.model = model;
  options.output = program;
  return compile(options);
}

llvm::Error failed(const std::string &program) {
  return failure(ExitCode::InputOutput, program + ": " + std::strerror(errno));
}
} // namespace

llvm::Error runProgram(const std::string &model, char **arguments) {
  std::vector<char *> args = {const_cast<char *>("heddle run")};
  for (; *arguments; ++arguments)
    args.push_back(*arguments);
  args.push_back(nullptr);
  std::string dir = cacheDirectory();
  if (dir.empty()) {
    ScratchFile program;
    if (llvm::Error error = program.create("program"))
      return error;
    if (llvm::Error error = compileTo(model, program.path))
      return error;
    // It runs from a file without a name, which goes when it ends.
    int fd = ::open(program.path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
      return failed(program.path);
    fs::remove(program.path);
    ::fexecve(fd, args.data(), environ);
    return failed(program.path);
  }
  auto program = nameOf(model, dir);
  if (!program)
    return program.takeError();
  if (!fs::exists(*program))
    if (llvm::Error error = compileTo(model, *program))
      return error;
  ::execv(program->c_str(), args.data());
  return failed(*program);
}

} // namespace heddle
