//===- Npy.h - NumPy arrays in files ---------------------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_NPY_H
#define HEDDLE_RUNTIME_APP_NPY_H

#include <cstdint>
#include <string>
#include <vector>

namespace heddle::rt {

/// Token ids of some sequences: of one, or (sequences, length), in which -1 is
/// no token.
struct TokenTable {
  std::vector<int64_t> shape; // of one or two dimensions
  std::vector<int32_t> ids;
  int64_t sequences() const { return shape.size() == 1 ? 1 : shape[0]; }
  int64_t length() const { return shape.back(); }
};

/// A little-endian int32 or int64 array of one dimension, each in [0, vocab),
/// or of two, each in [-1, vocab); throws Failure(Malformed) or
/// Failure(InputOutput) naming the file.
TokenTable readTokensNpy(const std::string &path, int64_t vocab);

/// Header of a C-order little-endian float32 array.
std::string float32NpyHeader(const std::vector<int64_t> &shape);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_NPY_H
