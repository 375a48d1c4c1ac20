//===- ProgramWriter.cpp - ELF, manifest, tokenizer and weights -----------===//
#include "heddle/Driver/ProgramWriter.h"
#include "heddle/Support/Error.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace heddle;

namespace {
constexpr int64_t kPage = 4096, kPiece = 2 << 20;

/// A file under a temporary name that is renamed on success and removed
/// otherwise.
class PendingFile {
public:
  ~PendingFile() {
    // Closing flushes, and a stream that dies with an error ends the process.
    if (os) {
      os->close();
      os->clear_error();
      os.reset();
    }
    if (!temporary.empty())
      llvm::sys::fs::remove(temporary);
  }
  llvm::Error open(llvm::StringRef name) {
    target = name.str();
    int fd;
    llvm::SmallString<128> path;
    if (std::error_code ec =
            llvm::sys::fs::createUniqueFile(target + ".tmp%%%%%%", fd, path))
      return failure(ExitCode::InputOutput, target + ": " + ec.message());
    temporary = path.str().str();
    os = std::make_unique<llvm::raw_fd_ostream>(fd, /*shouldClose=*/true);
    return llvm::Error::success();
  }
  llvm::Error write(llvm::StringRef data) {
    os->write(data.data(), data.size());
    return check();
  }
  llvm::Error padTo(int64_t multiple) {
    os->write_zeros((multiple - tell() % multiple) % multiple);
    return check();
  }
  int64_t tell() { return os->tell(); }
  /// Everything is on disk under the temporary name.
  llvm::Error finish(bool executable) {
    os->close();
    if (llvm::Error error = check())
      return error;
    os.reset();
    using namespace llvm::sys::fs;
    perms mode = executable
                     ? perms::all_read | perms::all_exe | perms::owner_write
                     : perms::all_read | perms::owner_write;
    if (std::error_code ec = setPermissions(temporary, mode))
      return failure(ExitCode::InputOutput, target + ": " + ec.message());
    if (is_directory(target))
      return failure(ExitCode::InputOutput, target + ": is a directory");
    return llvm::Error::success();
  }
  llvm::Error rename() {
    if (std::error_code ec = llvm::sys::fs::rename(temporary, target))
      return failure(ExitCode::InputOutput, target + ": " + ec.message());
    temporary.clear();
    return llvm::Error::success();
  }

private:
  llvm::Error check() {
    if (!os->has_error())
      return llvm::Error::success();
    std::error_code ec = os->error();
    os->clear_error();
    return failure(ExitCode::InputOutput, target + ": " + ec.message());
  }
  std::string target, temporary;
  std::unique_ptr<llvm::raw_fd_ostream> os;
};

/// XXH3 over the XXH3 of each piece of 2 MiB, whatever the sizes of the writes:
/// threads can check pieces side by side.
class PieceHash {
public:
  void update(llvm::StringRef data) {
    while (!data.empty()) {
      size_t n = std::min<size_t>(kPiece - piece.size(), data.size());
      piece.append(data.begin(), data.begin() + n);
      data = data.drop_front(n);
      if (piece.size() == kPiece)
        finish();
    }
  }
  uint64_t value() {
    if (!piece.empty())
      finish();
    return XXH3_64bits(hashes.data(), hashes.size());
  }

private:
  void finish() {
    char bytes[8];
    llvm::support::endian::write64le(bytes,
                                     XXH3_64bits(piece.data(), piece.size()));
    hashes.append(bytes, 8);
    piece.clear();
  }
  std::string piece, hashes;
};

llvm::Error writeWeights(PendingFile &file, llvm::ArrayRef<WeightJob> jobs,
                         uint64_t &hash) {
  PieceHash pieces;
  static const char zeros[64] = {};
  for (const WeightJob &job : jobs) {
    int64_t done = 0;
    auto put = [&](llvm::StringRef data) {
      pieces.update(data);
      return file.write(data);
    };
    llvm::Error error = job.write([&](llvm::ArrayRef<uint8_t> bytes) {
      done += bytes.size();
      return put(llvm::StringRef(reinterpret_cast<const char *>(bytes.data()),
                                 bytes.size()));
    });
    if (error)
      return error;
    if (done != job.bytes)
      return failure(ExitCode::Bug,
                     job.name + ": packed " + std::to_string(done) +
                         " bytes, planned " + std::to_string(job.bytes));
    if (llvm::Error padding =
            put(llvm::StringRef(zeros, (64 - done % 64) % 64)))
      return padding;
  }
  hash = pieces.value();
  return llvm::Error::success();
}
} // namespace

int64_t heddle::layoutWeights(llvm::ArrayRef<WeightJob> jobs,
                              std::vector<int64_t> &offsets) {
  int64_t at = 0;
  for (const WeightJob &job : jobs) {
    offsets.push_back(at);
    at += (job.bytes + 63) / 64 * 64;
  }
  return at;
}

llvm::Error heddle::writeProgram(ProgramParts parts, llvm::StringRef output,
                                 bool externalWeights) {
  auto elf = llvm::MemoryBuffer::getFile(parts.elfPath, /*IsText=*/false,
                                         /*RequiresNullTerminator=*/false);
  if (!elf)
    return failure(ExitCode::InputOutput,
                   parts.elfPath + ": " + elf.getError().message());
  std::vector<int64_t> offsets;
  uint64_t weightBytes = layoutWeights(parts.weights, offsets), weightHash = 0,
           weightAt = 0;
  PendingFile program, beside;
  if (externalWeights) {
    std::string name = output.str() + ".weights";
    (*parts.manifest.getAsObject())["weights_file"] =
        llvm::sys::path::filename(name).str();
    if (llvm::Error error = beside.open(name))
      return error;
    if (llvm::Error error = writeWeights(beside, parts.weights, weightHash))
      return error;
  }
  if (llvm::Error error = program.open(output))
    return error;
  std::string manifest = llvm::formatv("{0}", parts.manifest).str();
  std::string tokenizer =
      parts.tokenizer ? llvm::formatv("{0}", *parts.tokenizer).str() : "";
  uint64_t manifestAt = 0, tokenizerAt = 0;
  auto section = [&](llvm::StringRef data, uint64_t &at) -> llvm::Error {
    if (llvm::Error error = program.padTo(kPage))
      return error;
    at = program.tell();
    return program.write(data);
  };
  if (llvm::Error error = program.write((*elf)->getBuffer()))
    return error;
  if (llvm::Error error = section(manifest, manifestAt))
    return error;
  if (parts.tokenizer)
    if (llvm::Error error = section(tokenizer, tokenizerAt))
      return error;
  if (!externalWeights) {
    if (llvm::Error error = section("", weightAt))
      return error;
    if (llvm::Error error = writeWeights(program, parts.weights, weightHash))
      return error;
  }
  std::string trailer = "HEDDLEP1";
  auto field = [&](uint64_t value) {
    char bytes[8];
    llvm::support::endian::write64le(bytes, value);
    trailer.append(bytes, 8);
  };
  field(manifestAt);
  field(manifest.size());
  field(XXH3_64bits(manifest.data(), manifest.size()));
  field(tokenizerAt);
  field(tokenizer.size());
  field(parts.tokenizer ? XXH3_64bits(tokenizer.data(), tokenizer.size()) : 0);
  field(weightAt);
  field(weightBytes);
  field(weightHash);
  field(program.tell() + 96);
  field(XXH3_64bits(trailer.data(), trailer.size()));
  if (llvm::Error error = program.write(trailer))
    return error;
  // Both are whole before either takes its name.
  if (llvm::Error error = program.finish(true))
    return error;
  if (externalWeights) {
    if (llvm::Error error = beside.finish(false))
      return error;
    if (llvm::Error error = beside.rename())
      return error;
  }
  return program.rename();
}
