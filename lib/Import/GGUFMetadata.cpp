//===- GGUFMetadata.cpp - GGUF's typed metadata values --------------------===//
#include "GGUFMetadata.h"
#include "llvm/Support/ConvertUTF.h"

namespace heddle::import {

namespace {
// GGUF's value type ids.
enum Type : uint32_t {
  U8,
  I8,
  U16,
  I16,
  U32,
  I32,
  F32,
  Bool,
  String,
  Array,
  U64,
  I64,
  F64
};
} // namespace

llvm::Expected<llvm::StringRef>
readName(SpanReader &reader, const llvm::Twine &field, uint64_t maxLength) {
  auto name = reader.readString(field, maxLength);
  if (!name)
    return name.takeError();
  if (name->empty())
    return malformed(reader.fileName(), field, "empty", "at least 1 byte");
  if (name->contains('\0'))
    return malformed(reader.fileName(), field, quoted(*name), "no NUL byte");
  const auto *begin = reinterpret_cast<const llvm::UTF8 *>(name->begin());
  if (!llvm::isLegalUTF8String(
          &begin, reinterpret_cast<const llvm::UTF8 *>(name->end())))
    return malformed(reader.fileName(), field, quoted(*name), "valid UTF-8");
  return *name;
}

// Reads one number of stored type T as a metadata value of type V.
template <typename T, typename V>
static llvm::Expected<MetaValue> number(SpanReader &reader,
                                        const llvm::Twine &field) {
  auto value = reader.read<T>(field);
  if (!value)
    return value.takeError();
  return MetaValue(static_cast<V>(*value));
}

// Bytes that a std::string holds beyond itself; short ones are stored inside.
static uint64_t stringHeap(llvm::StringRef text) {
  return text.size() > 15 ? text.size() + 17 : 0;
}

template <typename T, typename V>
static llvm::Expected<MetaValue> numbers(SpanReader &reader,
                                         HeaderBudget &budget, uint64_t count,
                                         const llvm::Twine &field) {
  if (auto error = reader.checkCount(count, sizeof(T), field + " length"))
    return std::move(error);
  // count * sizeof(T) is within the file, so count * 8 cannot wrap.
  auto bytes = reader.take(count * sizeof(T), field);
  if (!bytes)
    return bytes.takeError();
  if (auto error = budget.hold(reader, count * sizeof(V), field))
    return std::move(error);
  std::vector<V> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    T value = llvm::support::endian::read<T>(bytes->data() + i * sizeof(T),
                                             llvm::endianness::little);
    if constexpr (std::is_same_v<T, uint64_t>)
      if (value > uint64_t{INT64_MAX})
        return malformed(reader.fileName(), field + "[" + llvm::Twine(i) + "]",
                         llvm::Twine(value), "2^63 - 1");
    values.push_back(static_cast<V>(value));
  }
  return MetaValue(std::move(values));
}

static llvm::Expected<MetaValue> bools(SpanReader &reader, HeaderBudget &budget,
                                       uint64_t count,
                                       const llvm::Twine &field) {
  auto value = numbers<uint8_t, int64_t>(reader, budget, count, field);
  if (!value)
    return value;
  for (int64_t v : std::get<std::vector<int64_t>>(*value))
    if (v > 1)
      return malformed(reader.fileName(), field, llvm::Twine(v), "0 or 1");
  return value;
}

static llvm::Expected<MetaValue> strings(SpanReader &reader,
                                         HeaderBudget &budget, uint64_t count,
                                         const llvm::Twine &field) {
  if (auto error = reader.checkCount(count, 8, field + " length"))
    return std::move(error);
  // A first pass measures, so that the memory is known before it is taken.
  SpanReader measure = reader;
  uint64_t held = count * sizeof(std::string);
  for (uint64_t i = 0; i < count; ++i) {
    auto text = measure.readString(field + "[" + llvm::Twine(i) + "]");
    if (!text)
      return text.takeError();
    held += stringHeap(*text);
  }
  if (auto error = budget.hold(measure, held, field))
    return std::move(error);
  std::vector<std::string> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i)
    values.push_back(llvm::cantFail(reader.readString(field)).str());
  return MetaValue(std::move(values));
}

static llvm::Error badType(const SpanReader &reader, const llvm::Twine &field,
                           uint32_t type) {
  return malformed(reader.fileName(), field + " type", llvm::Twine(type),
                   "0 to 12");
}

static llvm::Expected<MetaValue> array(SpanReader &reader, HeaderBudget &budget,
                                       const llvm::Twine &field) {
  auto type = reader.read<uint32_t>(field + " element type");
  if (!type)
    return type.takeError();
  if (*type == Array)
    return failure(ExitCode::Unsupported,
                   (reader.fileName() + ": " + field +
                    " element type = array, limit one level of arrays")
                       .str());
  auto count = reader.read<uint64_t>(field + " length");
  if (!count)
    return count.takeError();
  switch (*type) {
  case U8:
    return numbers<uint8_t, int64_t>(reader, budget, *count, field);
  case I8:
    return numbers<int8_t, int64_t>(reader, budget, *count, field);
  case U16:
    return numbers<uint16_t, int64_t>(reader, budget, *count, field);
  case I16:
    return numbers<int16_t, int64_t>(reader, budget, *count, field);
  case U32:
    return numbers<uint32_t, int64_t>(reader, budget, *count, field);
  case I32:
    return numbers<int32_t, int64_t>(reader, budget, *count, field);
  case U64:
    return numbers<uint64_t, int64_t>(reader, budget, *count, field);
  case I64:
    return numbers<int64_t, int64_t>(reader, budget, *count, field);
  case F32:
    return numbers<float, double>(reader, budget, *count, field);
  case F64:
    return numbers<double, double>(reader, budget, *count, field);
  case Bool:
    return bools(reader, budget, *count, field);
  case String:
    return strings(reader, budget, *count, field);
  default:
    return badType(reader, field + " element", *type);
  }
}

llvm::Expected<MetaValue> readMetaValue(SpanReader &reader,
                                        HeaderBudget &budget,
                                        const llvm::Twine &field) {
  auto type = reader.read<uint32_t>(field + " type");
  if (!type)
    return type.takeError();
  switch (*type) {
  case U8:
    return number<uint8_t, uint64_t>(reader, field);
  case I8:
    return number<int8_t, int64_t>(reader, field);
  case U16:
    return number<uint16_t, uint64_t>(reader, field);
  case I16:
    return number<int16_t, int64_t>(reader, field);
  case U32:
    return number<uint32_t, uint64_t>(reader, field);
  case I32:
    return number<int32_t, int64_t>(reader, field);
  case U64:
    return number<uint64_t, uint64_t>(reader, field);
  case I64:
    return number<int64_t, int64_t>(reader, field);
  case F32:
    return number<float, double>(reader, field);
  case F64:
    return number<double, double>(reader, field);
  case Bool: {
    auto value = reader.readBool(field);
    if (!value)
      return value.takeError();
    return MetaValue(*value);
  }
  case String: {
    auto value = reader.readString(field);
    if (!value)
      return value.takeError();
    if (auto error = budget.hold(reader, stringHeap(*value), field))
      return std::move(error);
    return MetaValue(value->str());
  }
  case Array:
    return array(reader, budget, field);
  default:
    return badType(reader, field, *type);
  }
}

} // namespace heddle::import
