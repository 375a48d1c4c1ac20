//===- Parameters.h - Which stored row a parameter's row is -----*- C++ -*-===//
//
// The name of a parameter is that of a stored tensor, `*` in it stands for the
// number of an expert where matrices are stored one by one
// (`mlp.experts.*.up_proj.weight`, from 0 up to the first that is not there),
// and what follows it says which part of the tensor the parameter is, step by
// step:
//
//   #I/N    the I-th of N equal parts of each matrix's rows
//           (`mlp.experts.gate_up_proj#1/2`)
//   #I%N    every N-th of them, from the I-th on
//   #F:N/R  a matrix as a stack of matrices of R rows, of heads, and of each
//           the N rows from the F-th on: [rows / R, N, K]
//   ^T      rows for columns of each matrix
//
// So `kv_b_proj.weight#0:128/256^T` are the columns of each head's first rows,
// and `gate_up_proj^T#0%2` every second column as a row.
//
// A checkpoint may store the rows of a tensor in another order than its family
// defines: converters to GGUF `llama` interleave the two halves of each head's
// q and k rows. The module says so in `heddle.unpermute`, and everything that
// reads weights (packer, interpreter) reads rows through storedRow.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_IMPORT_PARAMETERS_H
#define HEDDLE_IMPORT_PARAMETERS_H

#include "heddle/Import/ModelSource.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include <memory>

namespace heddle::import {

struct EncodingInfo;

/// A step behind the name of a tensor.
struct ViewStep {
  enum Kind { Part, Every, Heads, Transposed } kind;
  /// I and N; F, N and R.
  int64_t first = 0, count = 0, of = 1;
};

/// A name's parts: the tensor's, and the steps.
struct ViewName {
  llvm::StringRef base;
  llvm::SmallVector<ViewStep, 3> steps;
  /// Whether rows become columns, if only for a while.
  bool transposes() const;
  /// The shape of the tensor of which a parameter of `shape` is a view.
  llvm::SmallVector<int64_t> stored(llvm::ArrayRef<int64_t> shape) const;
  /// The encoding of the view of a tensor in `encoding`: its own, or F32 where
  /// codes along its rows would have to become columns.
  llvm::StringRef encoding(llvm::StringRef encoding) const;
};
/// The whole of `name` is the tensor's where something behind it is no step.
ViewName splitView(llvm::StringRef name);

/// The tensors that a parameter's name stands for, and which of their elements.
struct StoredParameter {
  /// One, or one an expert: of one shape and encoding.
  std::vector<const TensorEntry *> tensors;
  /// Of the whole: [E, N, K] where it is of experts.
  std::vector<int64_t> shape;

  /// Whether it is a parameter of `shape`. A vector may be stored as a matrix
  /// of one row, and as an element a row.
  bool fits(llvm::ArrayRef<int64_t> shape) const;
  llvm::StringRef encoding() const;
  int64_t numElements() const;
  /// Stored bytes.
  int64_t numBytes() const;
  /// The bytes of row `row` of `width` elements in that encoding, rows of one
  /// matrix after those of the one before: where they are stored, or in
  /// `scratch` where they are not stored like that.
  const uint8_t *row(int64_t row, int64_t width,
                     std::vector<uint8_t> &scratch) const;

private:
  friend std::optional<StoredParameter> findParameter(const ModelSource &,
                                                      llvm::StringRef);
  /// Element (m, n, k) of [M, N, K], where a matrix is one of one and a vector
  /// its row, is element first + m * strides[0] + n * strides[1] + k *
  /// strides[2] of the tensor, of the m-th without m where there are several.
  int64_t first = 0, dims[3] = {1, 1, 1}, strides[3] = {0, 0, 1};
  /// Codes whose rows became columns, as f32 in the order of the parameter.
  std::shared_ptr<std::vector<float>> decoded;

  bool take(const ViewStep &step);
  const TensorEntry &tensorOf(int64_t matrix) const {
    return *tensors[tensors.size() == 1 ? 0 : matrix];
  }
  int64_t at(int64_t m, int64_t n, int64_t k) const {
    return first + (tensors.size() == 1 ? m * strides[0] : 0) + n * strides[1] +
           k * strides[2];
  }
  void decodeAll(const EncodingInfo &info);
};

/// Nothing if a tensor is missing, or those of experts differ.
std::optional<StoredParameter> findParameter(const ModelSource &source,
                                             llvm::StringRef name);

/// `name` with the number of an expert in the place of `*`.
std::string expertName(llvm::StringRef name, int64_t expert);

/// `heddle.unpermute`: name of a layer's parameter after `blk.N.` → heads.
using RowPermutations = llvm::StringMap<int64_t>;

/// The attribute of `module`; empty if it has none. Entries that are not
/// positive integers are dropped.
RowPermutations rowPermutations(mlir::ModuleOp module);

/// The heads over which the rows of `paramName` are permuted; 0 if they are
/// not.
int64_t permutedHeads(const RowPermutations &map, llvm::StringRef paramName);

/// Whether `heads` divide `rows` into even parts.
bool dividesRows(int64_t heads, int64_t rows);

/// Where logical row `row` of `rows` is stored: with d = rows / heads, row
/// h·d + s·d/2 + j is stored at h·d + 2j + s (s < 2, j < d/2). `row` itself if
/// the parameter is not permuted. The heads must divide the rows (dividesRows).
int64_t storedRow(const RowPermutations &map, llvm::StringRef paramName,
                  int64_t row, int64_t rows);

} // namespace heddle::import

#endif // HEDDLE_IMPORT_PARAMETERS_H
