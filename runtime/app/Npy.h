//===- Npy.h - NumPy arrays in files ---------------------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_NPY_H
#define HEDDLE_RUNTIME_APP_NPY_H

#include <cstdint>
#include <string>
#include <vector>

namespace heddle::rt {

/// A 1-D little-endian int32 or int64 array as token ids, each in [0, vocab);
/// throws Failure(Malformed) or Failure(InputOutput) naming the file.
std::vector<int32_t> readTokensNpy(const std::string &path, int64_t vocab);

/// Header of a C-order little-endian float32 array of shape (rows, columns).
std::string float32NpyHeader(int64_t rows, int64_t columns);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_NPY_H
