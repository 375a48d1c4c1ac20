//===- Npy.cpp - NumPy arrays in files ------------------------------------===//

#include "Npy.h"
#include "Output.h"
#include "heddle/runtime/Failure.h"
#include <cstring>

namespace heddle::rt {

namespace {

// The value of 'key' in the header's dictionary up to `end`, or "".
std::string headerValue(const std::string &header, const std::string &key,
                        char open, char close) {
  size_t at = header.find("'" + key + "'");
  at = at == std::string::npos ? at : header.find(':', at);
  at = at == std::string::npos ? at : header.find(open, at);
  size_t end = at == std::string::npos ? at : header.find(close, at + 1);
  return end == std::string::npos ? "" : header.substr(at + 1, end - at - 1);
}

} // namespace

TokenTable readTokensNpy(const std::string &path, int64_t vocab) {
  auto bad = [&](const std::string &what) {
    fail(ExitCode::Malformed, path + ": " + what);
  };
  std::string data = readFile(path);
  if (data.size() < 12 || data.compare(0, 6, "\x93NUMPY") != 0)
    bad("magic = absent, limit a .npy file");
  auto byte = [&](size_t i) {
    return size_t(static_cast<unsigned char>(data[i]));
  };
  size_t start = byte(6) == 1 ? 10 : 12;
  size_t length = byte(8) | byte(9) << 8;
  if (byte(6) > 1)
    length |= byte(10) << 16 | byte(11) << 24;
  if (length > data.size() - start)
    bad("header bytes = " + std::to_string(length) + ", limit " +
        std::to_string(data.size() - start));
  std::string header = data.substr(start, length);
  std::string descr = headerValue(header, "descr", '\'', '\'');
  std::string shape = headerValue(header, "shape", '(', ')');
  size_t width = descr == "<i4" ? 4 : descr == "<i8" ? 8 : 0;
  if (!width)
    bad("descr = " + descr + ", limit <i4 or <i8");
  // "5," or "2, 5".
  TokenTable table;
  uint64_t count = 1;
  size_t at = 0;
  auto skip = [&](char c) {
    return at < shape.size() && shape[at] == c && ++at;
  };
  do {
    while (skip(' '))
      ;
    size_t digits = at;
    while (at < shape.size() && shape[at] >= '0' && shape[at] <= '9')
      ++at;
    if (digits == at)
      break; // after the comma of one dimension
    if (at - digits > 9)
      bad("shape = (" + shape + "), limit 999999999 each");
    table.shape.push_back(std::stoll(shape.substr(digits, at - digits)));
    count *= table.shape.back();
  } while (skip(','));
  if (at != shape.size() || table.shape.empty() || table.shape.size() > 2)
    bad("shape = (" + shape + "), limit one or two dimensions");
  if (headerValue(header, "fortran_order", 'T', 'e') == "ru" &&
      table.shape.size() > 1)
    bad("fortran_order = True, limit False");
  const char *values = data.data() + start + length;
  uint64_t present = data.size() - start - length;
  if (count * width != present)
    bad("data bytes = " + std::to_string(present) + ", limit " +
        std::to_string(count * width));
  table.ids.resize(count);
  int64_t least = table.shape.size() == 2 ? -1 : 0;
  for (uint64_t i = 0; i < count; ++i) {
    int64_t value = 0;
    if (width == 4) {
      int32_t narrow;
      memcpy(&narrow, values + i * 4, 4);
      value = narrow;
    } else {
      memcpy(&value, values + i * 8, 8);
    }
    if (value < least || value >= vocab)
      bad("token[" + std::to_string(i) + "] = " + std::to_string(value) +
          ", limit " + std::to_string(vocab - 1));
    table.ids[i] = static_cast<int32_t>(value);
  }
  return table;
}

std::string float32NpyHeader(const std::vector<int64_t> &shape) {
  std::string dictionary =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (int64_t size : shape)
    dictionary += std::to_string(size) + ", ";
  dictionary += "), }";
  // Magic, version and length take 10 bytes; the data starts at 128.
  dictionary.resize(117, ' ');
  dictionary += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(dictionary.size() & 0xff);
  header += static_cast<char>(dictionary.size() >> 8);
  return header + dictionary;
}

} // namespace heddle::rt
