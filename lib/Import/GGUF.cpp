//===- GGUF.cpp - Opening a GGUF file or a split set ----------------------===//
//
// A split set is NAME-00001-of-0000N.gguf to NAME-0000N-of-0000N.gguf. Each
// part is a GGUF file with split.no, split.count and split.tensors.count; the
// model's metadata is the first part's.
//
//===----------------------------------------------------------------------===//
#include "GGUFHeader.h"
#include "Generation.h"
#include "heddle/Import/ModelSource.h"
#include "heddle/Support/MappedFile.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include <fmt/format.h>

namespace heddle::import {

namespace {
class GGUFSource final : public ModelSource {
public:
  std::vector<MappedFile> parts;
};

// What a part says about the set. A count of 0 or 1 is a single file: merging
// tools leave a 0 behind.
struct Split {
  int64_t no = 0, count = 0;
  std::optional<int64_t> tensors;
};
} // namespace

// Path of part `no` (from 0) of the set that starts with `stem`.
static std::string partPath(llvm::StringRef stem, int64_t no, int64_t count) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", stem.str(), no + 1, count);
}

static llvm::Expected<Split> readSplit(const ModelSource &source) {
  constexpr int64_t kMaxParts = 9999;
  Split split;
  auto count = source.getInt("split.count", 0, kMaxParts, 0);
  if (!count)
    return count.takeError();
  split.count = *count;
  auto no = source.getInt("split.no", 0, std::max<int64_t>(*count, 1) - 1, 0);
  if (split.count <= 1) {
    // A single file has no other part to be; a bad number is still refused.
    if (!no)
      return no.takeError();
    return split;
  }
  if (!no)
    return no.takeError();
  split.no = *no;
  auto tensors =
      source.getInt("split.tensors.count", 0, HeaderBudget::kMaxEntries, -1);
  if (!tensors)
    return tensors.takeError();
  if (*tensors >= 0)
    split.tensors = *tensors;
  return split;
}

// Reads one part: its metadata into a source of its own, its tensors onto
// `set`, which takes the mapping.
static llvm::Expected<Split> readPart(llvm::StringRef path, MappedFile file,
                                      HeaderBudget &budget, GGUFSource &set,
                                      Metadata &metadata) {
  GGUFSource part;
  part.path = path.str();
  if (auto error =
          readGGUF(path, file.bytes(), budget, part.metadata, set.tensors))
    return std::move(error);
  part.index();
  set.parts.push_back(std::move(file));
  auto split = readSplit(part);
  metadata = std::move(part.metadata);
  return split;
}

// The file's name must follow the pattern, or the other parts cannot be named.
static llvm::Expected<std::string> stemOf(llvm::StringRef path,
                                          const Split &split) {
  std::string suffix = partPath("", split.no, split.count);
  llvm::StringRef stem = path;
  if (!stem.consume_back(suffix))
    return malformed(path, "file name of part " + llvm::Twine(split.no + 1),
                     quoted(path.rsplit('/').second.empty()
                                ? path
                                : path.rsplit('/').second),
                     "NAME" + suffix);
  if (split.no != 0)
    return failure(ExitCode::Malformed,
                   fmt::format("{}: split.no = {}, limit 0 (the first part "
                               "names the set)",
                               path.str(), split.no),
                   "heddle import " + partPath(stem, 0, split.count));
  return stem.str();
}

static llvm::Error checkPart(llvm::StringRef path, const Split &first,
                             const Split &split, int64_t no) {
  if (split.count != first.count)
    return malformed(path, "split.count", llvm::Twine(split.count),
                     llvm::Twine(first.count) + " as in the first part");
  if (split.no != no)
    return malformed(path, "split.no", llvm::Twine(split.no),
                     llvm::Twine(no) + " as in the file's name");
  return llvm::Error::success();
}

static llvm::Error openOthers(llvm::StringRef stem, const Split &first,
                              HeaderBudget &budget, GGUFSource &set) {
  llvm::StringSet<> names;
  auto addNames = [&](llvm::StringRef path, size_t from) -> llvm::Error {
    for (size_t i = from; i < set.tensors.size(); ++i)
      if (!names.insert(set.tensors[i].name).second)
        return malformed(path, "tensor name",
                         "duplicate " + quoted(set.tensors[i].name),
                         "unique names over the set");
    return llvm::Error::success();
  };
  if (auto error = addNames(set.path, 0))
    return error;
  for (int64_t no = 1; no < first.count; ++no) {
    std::string path = partPath(stem, no, first.count);
    if (!llvm::sys::fs::exists(path))
      return malformed(path, fmt::format("part {}", no + 1), "missing file",
                       fmt::format("{} parts (split.count)", first.count));
    auto file = MappedFile::open(path);
    if (!file)
      return file.takeError();
    size_t from = set.tensors.size();
    Metadata ignored;
    auto split = readPart(path, std::move(*file), budget, set, ignored);
    if (!split)
      return split.takeError();
    if (auto error = checkPart(path, first, *split, no))
      return error;
    if (auto error = addNames(path, from))
      return error;
  }
  if (first.tensors && size_t(*first.tensors) != set.tensors.size())
    return malformed(
        set.path, "split.tensors.count", llvm::Twine(*first.tensors),
        llvm::Twine(set.tensors.size()) + " (tensors in the set's parts)");
  return llvm::Error::success();
}

bool claimsGGUF(llvm::StringRef path) {
  if (path.ends_with(".gguf"))
    return true;
  llvm::sys::fs::file_status status;
  if (llvm::sys::fs::status(path, status) ||
      !llvm::sys::fs::is_regular_file(status))
    return false;
  auto magic = llvm::MemoryBuffer::getFileSlice(path, 4, 0);
  return magic && (*magic)->getBuffer() == "GGUF";
}

llvm::Expected<std::unique_ptr<ModelSource>> openGGUF(llvm::StringRef path) {
  auto file = MappedFile::open(path);
  if (!file)
    return file.takeError();
  auto source = std::make_unique<GGUFSource>();
  source->path = path.str();
  source->format = "gguf";
  HeaderBudget budget;
  auto split =
      readPart(path, std::move(*file), budget, *source, source->metadata);
  if (!split)
    return split.takeError();
  if (split->count > 1) {
    auto stem = stemOf(path, *split);
    if (!stem)
      return stem.takeError();
    if (auto error = openOthers(*stem, *split, budget, *source))
      return std::move(error);
  }
  // How the set was packed is no property of the model: a split set and the
  // single file it was made from must be equal from here on.
  std::erase_if(source->metadata, [](const auto &pair) {
    return llvm::StringRef(pair.first).starts_with("split.");
  });
  source->index();
  if (auto error = readSamplingKeys(*source, source->generation))
    return std::move(error);
  return source;
}

} // namespace heddle::import
