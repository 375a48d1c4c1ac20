//===- GGUFHeader.cpp - One GGUF file's header, checked -------------------===//
//
// Layout (little-endian): "GGUF", u32 version, u64 tensors, u64 pairs; pairs
// of (string key, u32 type, value); tensor infos of (string name, u32 rank,
// u64 dims[] innermost first, u32 type, u64 offset); padding to
// general.alignment; tensor data, to which the offsets are relative.
//
//===----------------------------------------------------------------------===//
#include "GGUFHeader.h"
#include "GGUFMetadata.h"
#include "GGUFTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include <fmt/format.h>
#include <map>

namespace heddle::import {

llvm::Error HeaderBudget::hold(const SpanReader &reader, uint64_t bytes,
                               const llvm::Twine &field) {
  uint64_t header = finished + reader.offset();
  if (header > kMaxHeaderBytes)
    return failure(ExitCode::Limit,
                   (reader.fileName() + ": " + field +
                    " ends at = " + llvm::Twine(header) +
                    " header bytes, limit " + llvm::Twine(kMaxHeaderBytes))
                       .str());
  held += bytes;
  uint64_t limit = (uint64_t{16} << 20) + 3 * header;
  if (held > limit)
    return failure(ExitCode::Limit,
                   (reader.fileName() + ": " + field +
                    " memory = " + llvm::Twine(held) +
                    " bytes for the header so far, limit " + llvm::Twine(limit))
                       .str());
  return llvm::Error::success();
}

llvm::Error HeaderBudget::addEntries(const SpanReader &reader, uint64_t &total,
                                     uint64_t count, const llvm::Twine &field) {
  // Both are at most a file's size, so the sum cannot wrap.
  total += count;
  if (total > kMaxEntries)
    return failure(ExitCode::Limit,
                   (reader.fileName() + ": " + field + " = " +
                    llvm::Twine(total) + ", limit " + llvm::Twine(kMaxEntries))
                       .str());
  return llvm::Error::success();
}

namespace {
struct Counts {
  uint64_t tensors, pairs;
};

// A tensor as stored, before its extent is known to lie in the file.
struct Info {
  TensorEntry entry;
  uint64_t offset, bytes;
};

class HeaderReader {
public:
  HeaderReader(llvm::StringRef path, llvm::ArrayRef<uint8_t> file,
               HeaderBudget &budget)
      : path(path), file(file), reader(path, file), budget(budget) {}

  llvm::Error run(Metadata &metadata, std::vector<TensorEntry> &tensors);

private:
  llvm::Expected<Counts> readCounts();
  llvm::Error checkVersion(uint32_t version);
  llvm::Error readMetadata(uint64_t count, Metadata &metadata);
  llvm::Error readAlignment(const MetaValue &value);
  llvm::Error readInfos(uint64_t count);
  llvm::Error readInfo(llvm::StringSet<> &names);
  llvm::Error placeData();

  llvm::StringRef path;
  llvm::ArrayRef<uint8_t> file;
  SpanReader reader;
  HeaderBudget &budget;
  uint64_t alignment = 32; // general.alignment's default
  std::vector<Info> infos;
  // Types without a format → how many tensors have it and the first one.
  std::map<uint32_t, std::pair<uint64_t, std::string>> unsupported;
};
} // namespace

llvm::Error HeaderReader::checkVersion(uint32_t version) {
  if (version == 3)
    return llvm::Error::success();
  if (version == 0)
    return malformed(path, "version", "0", "3");
  std::string value = fmt::format("{}", version);
  uint32_t swapped = llvm::byteswap(version);
  if (swapped >= 1 && swapped <= 0xffff)
    value = fmt::format("{} of a big-endian (byte-swapped) file", swapped);
  return failure(ExitCode::Unsupported,
                 fmt::format("{}: version = {}, limit 3, little-endian",
                             path.str(), value));
}

llvm::Expected<Counts> HeaderReader::readCounts() {
  auto magic = reader.take(4, "magic");
  if (!magic)
    return magic.takeError();
  llvm::StringRef text = llvm::toStringRef(*magic);
  if (text == "FUGG")
    return failure(ExitCode::Unsupported,
                   path.str() + ": magic = 'FUGG' of a big-endian "
                                "(byte-swapped) file, limit 'GGUF'");
  if (text != "GGUF")
    return malformed(path, "magic", quoted(text), "'GGUF'");
  auto version = reader.read<uint32_t>("version");
  if (!version)
    return version.takeError();
  if (auto error = checkVersion(*version))
    return std::move(error);
  auto tensors = reader.read<uint64_t>("n_tensors");
  if (!tensors)
    return tensors.takeError();
  auto pairs = reader.read<uint64_t>("n_kv");
  if (!pairs)
    return pairs.takeError();
  // The smallest tensor info: name of 1 byte, 1 dimension. The smallest pair:
  // key of 1 byte, value of 1 byte.
  if (auto error =
          reader.checkCount(*tensors, 8 + 1 + 4 + 8 + 4 + 8, "n_tensors"))
    return std::move(error);
  if (auto error = reader.checkCount(*pairs, 8 + 1 + 4 + 1, "n_kv"))
    return std::move(error);
  if (auto error =
          budget.addEntries(reader, budget.tensors, *tensors, "n_tensors"))
    return std::move(error);
  if (auto error = budget.addEntries(reader, budget.pairs, *pairs, "n_kv"))
    return std::move(error);
  return Counts{*tensors, *pairs};
}

llvm::Error HeaderReader::readAlignment(const MetaValue &value) {
  constexpr uint64_t kMax = 1 << 20;
  constexpr const char *kLimit = "a power of two from 8 to 1048576";
  uint64_t align = 0;
  if (auto *u = std::get_if<uint64_t>(&value))
    align = *u;
  else if (auto *i = std::get_if<int64_t>(&value))
    align = *i < 0 ? 0 : static_cast<uint64_t>(*i);
  else
    return malformed(path, "general.alignment", "not an integer", kLimit);
  if (align < 8 || align > kMax || (align & (align - 1)) != 0)
    return malformed(path, "general.alignment", llvm::Twine(align), kLimit);
  alignment = align;
  return llvm::Error::success();
}

llvm::Error HeaderReader::readMetadata(uint64_t count, Metadata &metadata) {
  llvm::StringSet<> keys;
  metadata.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    auto key = readName(reader, "metadata key " + llvm::Twine(i), 65535);
    if (!key)
      return key.takeError();
    std::string field = quoted(*key).substr(1);
    field.pop_back(); // the closing quote
    if (!keys.insert(*key).second)
      return malformed(path, "metadata key " + llvm::Twine(i),
                       "duplicate " + quoted(*key), "unique keys");
    if (auto error = budget.hold(reader, sizeof(metadata[0]) + 3 * key->size(),
                                 "metadata key " + llvm::Twine(i)))
      return error;
    auto value = readMetaValue(reader, budget, field);
    if (!value)
      return value.takeError();
    if (*key == "general.alignment")
      if (auto error = readAlignment(*value))
        return error;
    metadata.emplace_back(key->str(), std::move(*value));
  }
  return llvm::Error::success();
}

llvm::Error HeaderReader::readInfo(llvm::StringSet<> &names) {
  constexpr uint64_t kMaxName = 64; // GGML_MAX_NAME
  std::string which = fmt::format("tensor {}", infos.size());
  auto name = readName(reader, which + " name", kMaxName);
  if (!name)
    return name.takeError();
  if (!names.insert(*name).second)
    return malformed(path, which + " name", "duplicate " + quoted(*name),
                     "unique names");
  which = "tensor " + quoted(*name);
  auto rank = reader.read<uint32_t>(which + " n_dims");
  if (!rank)
    return rank.takeError();
  if (*rank < 1 || *rank > 4)
    return malformed(path, which + " n_dims", llvm::Twine(*rank), "1 to 4");
  TensorEntry entry;
  entry.name = name->str();
  entry.shape.resize(*rank);
  for (int64_t &dim : llvm::reverse(entry.shape)) {
    // Read as signed: 2^63 and above become negative, which no shape may hold.
    auto value = reader.read<int64_t>(which + " dimension");
    if (!value)
      return value.takeError();
    dim = *value;
  }
  auto type = reader.read<uint32_t>(which + " type");
  if (!type)
    return type.takeError();
  auto offset = reader.read<uint64_t>(which + " offset");
  if (!offset)
    return offset.takeError();
  // Of an unsupported type, all but the block is checked all the same.
  const BlockFormat *format = ggmlType(*type);
  static constexpr BlockFormat kUnknown = {"unknown", 1, 1};
  auto bytes =
      encodedBytes(path, which, entry.shape, format ? *format : kUnknown);
  if (!bytes)
    return bytes.takeError();
  if (*offset % alignment != 0)
    return malformed(path, which + " offset", llvm::Twine(*offset),
                     "a multiple of the alignment, " + llvm::Twine(alignment));
  if (!format) {
    auto [it, isNew] = unsupported.try_emplace(*type, 0, entry.name);
    ++it->second.first;
    // The map is the only thing here that a file could grow without charge.
    if (isNew)
      return budget.hold(reader, 128, which);
    return llvm::Error::success();
  }
  entry.encoding = format->name;
  uint64_t held = sizeof(Info) + sizeof(TensorEntry) + 4 * name->size() + 64;
  if (auto error = budget.hold(reader, held, which))
    return error;
  infos.push_back({std::move(entry), *offset, *bytes});
  return llvm::Error::success();
}

llvm::Error HeaderReader::readInfos(uint64_t count) {
  llvm::StringSet<> names;
  infos.reserve(count);
  for (uint64_t i = 0; i < count; ++i)
    if (auto error = readInfo(names))
      return error;
  if (unsupported.empty())
    return llvm::Error::success();
  std::string list;
  size_t shown = 0;
  for (const auto &[type, use] : unsupported) {
    if (++shown > 8) {
      list += fmt::format(", and {} types more", unsupported.size() - 8);
      break;
    }
    list += fmt::format("{}{} ({}; {} tensors, first {})",
                        list.empty() ? "" : ", ", static_cast<int32_t>(type),
                        ggmlTypeAbsence(type), use.first, quoted(use.second));
  }
  return failure(ExitCode::Unsupported,
                 fmt::format("{}: tensor type = {}, limit GGML's types 0 to 41 "
                             "without the removed ones",
                             path.str(), list));
}

llvm::Error HeaderReader::placeData() {
  if (infos.empty())
    return llvm::Error::success();
  auto start = checkedAlign(reader.offset(), alignment);
  if (!start || *start > file.size())
    return malformed(path, "tensor data offset",
                     llvm::Twine(start.value_or(UINT64_MAX)),
                     llvm::Twine(file.size()) + " (the file's size)");
  llvm::ArrayRef<uint8_t> data = file.drop_front(*start);
  for (Info &info : infos) {
    std::string which = "tensor " + quoted(info.entry.name);
    auto end = checkedAdd(info.offset, info.bytes);
    // The padding after the last tensor may be missing, as other readers
    // allow, but its end must be a number.
    if (!end || !checkedAlign(*end, alignment) || *end > data.size())
      return malformed(
          path, which + " offset + size",
          llvm::Twine(info.offset) + " + " + llvm::Twine(info.bytes),
          llvm::Twine(data.size()) + " bytes of tensor data in the file");
    info.entry.bytes = data.slice(info.offset, info.bytes);
  }
  std::vector<uint32_t> order(infos.size());
  for (uint32_t i = 0; i < order.size(); ++i)
    order[i] = i;
  llvm::sort(order, [&](uint32_t a, uint32_t b) {
    return std::pair(infos[a].offset, a) < std::pair(infos[b].offset, b);
  });
  for (size_t i = 1; i < order.size(); ++i) {
    const Info &before = infos[order[i - 1]], &after = infos[order[i]];
    if (before.offset + before.bytes > after.offset)
      return malformed(path, "tensor " + quoted(after.entry.name) + " offset",
                       llvm::Twine(after.offset) + " overlapping tensor " +
                           quoted(before.entry.name),
                       llvm::Twine(before.offset + before.bytes) + " or above");
  }
  return llvm::Error::success();
}

llvm::Error HeaderReader::run(Metadata &metadata,
                              std::vector<TensorEntry> &tensors) {
  auto counts = readCounts();
  if (!counts)
    return counts.takeError();
  if (auto error = readMetadata(counts->pairs, metadata))
    return error;
  if (auto error = readInfos(counts->tensors))
    return error;
  if (auto error = placeData())
    return error;
  budget.finish(reader);
  tensors.reserve(tensors.size() + infos.size());
  for (Info &info : infos)
    tensors.push_back(std::move(info.entry));
  return llvm::Error::success();
}

llvm::Error readGGUF(llvm::StringRef path, llvm::ArrayRef<uint8_t> file,
                     HeaderBudget &budget, Metadata &metadata,
                     std::vector<TensorEntry> &tensors) {
  return HeaderReader(path, file, budget).run(metadata, tensors);
}

} // namespace heddle::import
