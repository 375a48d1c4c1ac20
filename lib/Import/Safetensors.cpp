//===- Safetensors.cpp - One safetensors file's header, checked -----------===//
#include "Safetensors.h"
#include "heddle/Import/Json.h"
#include "heddle/Import/SpanReader.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <fmt/format.h>

namespace heddle::import {

// By dtype: the encoding's name, or the dtype where there is none, and its
// elements.
static const BlockFormat *formatOf(llvm::StringRef dtype) {
  static const std::pair<llvm::StringRef, BlockFormat> table[] = {
      {"F32", {"f32", 1, 4}},
      {"F16", {"f16", 1, 2}},
      {"BF16", {"bf16", 1, 2}},
      {"BOOL", {"BOOL", 1, 1}},
      {"F4", {"F4", 2, 1}},
      {"F6_E2M3", {"F6_E2M3", 4, 3}},
      {"F6_E3M2", {"F6_E3M2", 4, 3}},
      {"F8_E4M3", {"F8_E4M3", 1, 1}},
      {"F8_E5M2", {"F8_E5M2", 1, 1}},
      {"F8_E8M0", {"F8_E8M0", 1, 1}},
      {"F8_E4M3FNUZ", {"F8_E4M3FNUZ", 1, 1}},
      {"F8_E5M2FNUZ", {"F8_E5M2FNUZ", 1, 1}},
      {"F64", {"F64", 1, 8}},
      {"C64", {"C64", 1, 8}},
      {"U8", {"U8", 1, 1}},
      {"I8", {"I8", 1, 1}},
      {"U16", {"U16", 1, 2}},
      {"I16", {"I16", 1, 2}},
      {"U32", {"U32", 1, 4}},
      {"I32", {"I32", 1, 4}},
      {"U64", {"U64", 1, 8}},
      {"I64", {"I64", 1, 8}},
  };
  for (const auto &[name, format] : table)
    if (name == dtype)
      return &format;
  return nullptr;
}

namespace {
// A tensor as the header has it: where it begins and ends in the data.
struct Placed {
  TensorEntry entry;
  uint64_t begin, end;
};

class SafetensorsReader {
public:
  SafetensorsReader(llvm::StringRef path, llvm::ArrayRef<uint8_t> file,
                    HeaderBudget &budget)
      : path(path), reader(path, file), budget(budget) {}
  llvm::Error run(std::vector<TensorEntry> &tensors);

private:
  llvm::Expected<llvm::StringRef> readText();
  llvm::Error readTensor(llvm::StringRef name, const llvm::json::Value &value);
  llvm::Error readMetadata(const llvm::json::Value &value);
  llvm::Error place(llvm::ArrayRef<uint8_t> data);

  llvm::StringRef path;
  SpanReader reader;
  HeaderBudget &budget;
  std::vector<Placed> placed;
};
} // namespace

llvm::Expected<llvm::StringRef> SafetensorsReader::readText() {
  constexpr uint64_t kMaxHeader = 100'000'000;
  auto length = reader.read<uint64_t>("header length");
  if (!length)
    return length.takeError();
  // A length that the file cannot hold is broken rather than big.
  if (*length > reader.remaining())
    return malformed(path, "header length", llvm::Twine(*length),
                     "the " + llvm::Twine(reader.remaining()) +
                         " bytes left in the file");
  if (*length > kMaxHeader)
    return failure(ExitCode::Limit,
                   fmt::format("{}: header length = {}, limit {}", path.str(),
                               *length, kMaxHeader));
  auto bytes = reader.take(*length, "header");
  if (!bytes)
    return bytes.takeError();
  llvm::StringRef text = llvm::toStringRef(*bytes);
  if (!text.starts_with("{"))
    return malformed(path, "header", quoted(text.take_front(16)),
                     "a JSON object from its first byte on");
  return text;
}

llvm::Error SafetensorsReader::readMetadata(const llvm::json::Value &value) {
  const llvm::json::Object *object = value.getAsObject();
  if (!object || !llvm::all_of(*object, [](const auto &pair) {
        return pair.second.getAsString().has_value();
      }))
    return malformed(path, "__metadata__",
                     quoted(llvm::formatv("{0}", value).str()),
                     "an object of strings");
  return llvm::Error::success();
}

// A member that must be an array of non-negative integers.
static llvm::Expected<std::vector<uint64_t>>
numbers(llvm::StringRef path, const llvm::Twine &field,
        const llvm::json::Value *value) {
  const llvm::json::Array *array = value ? value->getAsArray() : nullptr;
  auto bad = [&](const std::string &found) {
    return malformed(path, field, found,
                     "an array of integers in [0, 2^64 - 1]");
  };
  if (!array)
    return bad(value ? quoted(llvm::formatv("{0}", *value).str()) : "absent");
  std::vector<uint64_t> out;
  for (const llvm::json::Value &item : *array) {
    auto number = item.getAsUINT64();
    if (!number)
      return bad(quoted(llvm::formatv("{0}", item).str()));
    out.push_back(*number);
  }
  return out;
}

llvm::Error SafetensorsReader::readTensor(llvm::StringRef name,
                                          const llvm::json::Value &value) {
  if (name == "__metadata__")
    return readMetadata(value);
  std::string which = "tensor " + quoted(name);
  const llvm::json::Object *object = value.getAsObject();
  if (name.empty() || name.size() > 1024)
    return malformed(path, which + " name length", llvm::Twine(name.size()),
                     "1 to 1024");
  if (!object)
    return malformed(path, which, quoted(llvm::formatv("{0}", value).str()),
                     "an object");
  for (const auto &[key, member] : *object)
    if (!llvm::is_contained({"dtype", "shape", "data_offsets"},
                            llvm::StringRef(key)))
      return malformed(path, which + " key", quoted(key),
                       "dtype, shape, data_offsets");
  auto dtype = object->getString("dtype");
  const BlockFormat *format = dtype ? formatOf(*dtype) : nullptr;
  if (!format)
    return malformed(path, which + " dtype", dtype ? quoted(*dtype) : "absent",
                     "a dtype of safetensors");
  auto shape = numbers(path, which + " shape", object->get("shape"));
  if (!shape)
    return shape.takeError();
  auto offsets =
      numbers(path, which + " data_offsets", object->get("data_offsets"));
  if (!offsets)
    return offsets.takeError();
  if (offsets->size() != 2 || (*offsets)[0] > (*offsets)[1])
    return malformed(path, which + " data_offsets",
                     fmt::format("[{}]", fmt::join(*offsets, ", ")),
                     "[begin, end]");

  Placed tensor;
  tensor.entry.name = name.str();
  // Numbers of 2^63 and above become negative, which no shape may hold.
  tensor.entry.shape.assign(shape->begin(), shape->end());
  tensor.entry.encoding = format->name;
  tensor.begin = (*offsets)[0], tensor.end = (*offsets)[1];
  static constexpr int64_t kScalar[] = {1};
  auto bytes =
      encodedBytes(path, which,
                   shape->empty() ? llvm::ArrayRef<int64_t>(kScalar)
                                  : llvm::ArrayRef<int64_t>(tensor.entry.shape),
                   *format);
  if (!bytes)
    return bytes.takeError();
  if (tensor.end - tensor.begin != *bytes)
    return malformed(path, which + " data_offsets",
                     fmt::format("[{}, {}], {} bytes", tensor.begin, tensor.end,
                                 tensor.end - tensor.begin),
                     llvm::Twine(*bytes) + " bytes by its shape and dtype");
  if (llvm::Error error =
          budget.addEntries(reader, budget.tensors, 1, "tensors"))
    return error;
  if (llvm::Error error =
          budget.hold(reader, sizeof(Placed) + 4 * name.size() + 64, which))
    return error;
  placed.push_back(std::move(tensor));
  return llvm::Error::success();
}

llvm::Error SafetensorsReader::place(llvm::ArrayRef<uint8_t> data) {
  llvm::sort(placed, [](const Placed &a, const Placed &b) {
    return a.begin < b.begin;
  });
  uint64_t at = 0;
  for (Placed &tensor : placed) {
    if (tensor.begin != at)
      return malformed(
          path, "tensor " + quoted(tensor.entry.name) + " data_offsets begin",
          llvm::Twine(tensor.begin) +
              (tensor.begin < at ? ", an overlap" : ", a gap"),
          llvm::Twine(at) + ", the end of the tensor before");
    if (tensor.end > data.size())
      return malformed(
          path, "tensor " + quoted(tensor.entry.name) + " data_offsets end",
          llvm::Twine(tensor.end),
          llvm::Twine(data.size()) + " bytes of data in the file");
    tensor.entry.bytes = data.slice(tensor.begin, tensor.end - tensor.begin);
    at = tensor.end;
  }
  if (at != data.size())
    return malformed(path, "data", llvm::Twine(data.size()) + " bytes",
                     llvm::Twine(at) + " of the tensors");
  return llvm::Error::success();
}

llvm::Error SafetensorsReader::run(std::vector<TensorEntry> &tensors) {
  auto text = readText();
  if (!text)
    return text.takeError();
  // Two objects are of the header and its metadata.
  JsonLimits limits{HeaderBudget::kMaxEntries * 8,
                    HeaderBudget::kMaxEntries + 2};
  if (llvm::Error error = forEachMember(
          path, *text, limits,
          [&](llvm::StringRef name, const llvm::json::Value &value) {
            return readTensor(name, value);
          }))
    return error;
  auto data = reader.take(reader.remaining(), "data");
  if (!data)
    return data.takeError();
  if (llvm::Error error = place(*data))
    return error;
  for (Placed &tensor : placed)
    tensors.push_back(std::move(tensor.entry));
  return llvm::Error::success();
}

llvm::Error readSafetensors(llvm::StringRef path, llvm::ArrayRef<uint8_t> file,
                            HeaderBudget &budget,
                            std::vector<TensorEntry> &tensors) {
  return SafetensorsReader(path, file, budget).run(tensors);
}

} // namespace heddle::import
