//===- ProgramReader.cpp - The manifest of a compiled program -------------===//
#include "heddle/Driver/ProgramReader.h"
#include "heddle/Support/Error.h"
#include "heddle/Support/MappedFile.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/xxhash.h"
#include <fmt/format.h>

using namespace heddle;

bool heddle::isProgramFile(llvm::StringRef path) {
  llvm::file_magic magic;
  return !llvm::identify_magic(path, magic) &&
         (magic == llvm::file_magic::elf_executable ||
          magic == llvm::file_magic::elf_shared_object);
}

llvm::Expected<llvm::json::Object> heddle::readManifest(llvm::StringRef path) {
  auto file = MappedFile::open(path);
  if (!file)
    return file.takeError();
  auto all = llvm::toStringRef(file->bytes());
  constexpr size_t kTrailer = 96;
  llvm::StringRef trailer = all.take_back(kTrailer);
  if (all.size() < kTrailer || !trailer.starts_with("HEDDLEP1"))
    return failure(ExitCode::Malformed,
                   path.str() + ": trailer = absent, limit a program of "
                                "heddle compile");
  auto field = [&](size_t at) {
    return llvm::support::endian::read64le(trailer.data() + at);
  };
  auto changed = [&](const char *what) {
    return failure(
        ExitCode::Changed,
        fmt::format("{}: {} is not what was written", path.str(), what));
  };
  if (field(88) != llvm::xxh3_64bits(trailer.take_front(88)) ||
      field(80) != all.size())
    return changed("trailer");
  uint64_t at = field(8), size = field(16);
  if (at > all.size() || size > all.size() - at)
    return changed("manifest");
  llvm::StringRef text = all.substr(at, size);
  if (field(24) != llvm::xxh3_64bits(text))
    return changed("manifest");
  auto value = llvm::json::parse(text);
  if (!value) {
    llvm::consumeError(value.takeError());
    return changed("manifest");
  }
  if (llvm::json::Object *object = value->getAsObject())
    return std::move(*object);
  return changed("manifest");
}
