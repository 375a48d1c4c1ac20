//===- Program.cpp - The parts of a compiled program's file ---------------===//

#include "heddle/runtime/Program.h"
#include "heddle/runtime/Failure.h"
#include "heddle/runtime/Memory.h"
#include "heddle/runtime/ReadAt.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace heddle::rt {

namespace {

constexpr uint64_t kTrailerBytes = 96;
// A manifest or tokenizer above this was not written by the compiler.
constexpr uint64_t kMaxSection = uint64_t(1) << 30;

std::string selfPath() {
  std::string path(4096, '\0');
  ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  path.resize(length > 0 ? length : 0);
  return path.empty() ? "/proc/self/exe" : path;
}

uint64_t sizeOf(int fd, const std::string &path) {
  struct stat status;
  if (fstat(fd, &status) != 0)
    fail(ExitCode::InputOutput, path + ": " + strerror(errno));
  return status.st_size;
}

} // namespace

void Program::changed(const std::string &what) const {
  fail(ExitCode::Changed,
       filePath + ": " + what + "; the file changed since it was compiled",
       "compile it again with `heddle compile MODEL -o " + filePath + "`");
}

// Byte-wise, so that the file's little-endian order holds on every host.
uint64_t loadLittle64(const char *from) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i)
    value = value << 8 | static_cast<unsigned char>(from[i]);
  return value;
}

std::string Program::readRange(int fd, uint64_t offset, uint64_t bytes) const {
  std::string data(bytes, '\0');
  int error = readAt(fd, offset, bytes, data.data());
  if (error > 0)
    fail(ExitCode::InputOutput, filePath + ": " + strerror(error));
  if (error)
    changed("size = " + std::to_string(sizeOf(fd, filePath)) + ", limit " +
            std::to_string(offset + bytes));
  return data;
}

Program::Program() : filePath(selfPath()) {
  file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (file < 0)
    fail(ExitCode::InputOutput, filePath + ": " + strerror(errno));
  fileBytes = sizeOf(file, filePath);
  if (fileBytes < kTrailerBytes)
    changed("trailer = absent");
  std::string trailer =
      readRange(file, fileBytes - kTrailerBytes, kTrailerBytes);
  if (trailer.compare(0, 8, "HEDDLEP1") != 0)
    changed("trailer = absent");
  auto field = [&](int at) { return loadLittle64(trailer.data() + at); };
  if (field(88) != XXH3_64bits(trailer.data(), 88))
    changed("trailer hash = different");
  if (field(80) != fileBytes)
    changed("size = " + std::to_string(fileBytes) + ", limit " +
            std::to_string(field(80)));

  uint64_t body = fileBytes - kTrailerBytes;
  auto inside = [&](const char *name, uint64_t offset, uint64_t bytes) {
    if (offset > body || bytes > body - offset)
      changed(std::string(name) + " end = " + std::to_string(offset + bytes) +
              ", limit " + std::to_string(body));
  };
  inside("manifest", field(8), field(16));
  inside("tokenizer", field(32), field(40));
  if (std::max(field(16), field(40)) > kMaxSection)
    changed(
        "section bytes = " + std::to_string(std::max(field(16), field(40))) +
        ", limit " + std::to_string(kMaxSection));
  std::string manifestText = readRange(file, field(8), field(16));
  if (XXH3_64bits(manifestText.data(), manifestText.size()) != field(24))
    changed("manifest hash = different");
  tokenizerOffset = field(32);
  tokenizerBytes = tokenizerOffset ? field(40) : 0;
  tokenizerHash = field(48);
  // Every command checks the tokenizer, so that an edit is found at once.
  if (tokenizerBytes)
    (void)readTokenizer();
  weightsOffset = field(56);
  weightsBytes = field(64);
  weightsHash = field(72);
  if (weightsOffset) {
    inside("weights", weightsOffset, weightsBytes);
    if (weightsOffset % 4096 != 0)
      changed("weights offset = " + std::to_string(weightsOffset) +
              ", limit a multiple of 4096");
  }
  manifestData = parseManifest(manifestText, weightsBytes);
}

Program::~Program() {
  if (weightsData && !weightsCopy)
    munmap(const_cast<uint8_t *>(weightsData), weightsBytes);
  if (weightsFd >= 0)
    close(weightsFd);
  if (file >= 0)
    close(file);
}

std::string Program::readTokenizer() const {
  std::string text = readRange(file, tokenizerOffset, tokenizerBytes);
  if (XXH3_64bits(text.data(), text.size()) != tokenizerHash)
    changed("tokenizer hash = different");
  return text;
}

} // namespace heddle::rt
