//===- Parameters.h - Which stored row a parameter's row is -----*- C++ -*-===//
//
// The name of a parameter is that of a stored tensor. Matrices of experts may
// be stored one by one, or side by side with others: `*` in a name stands for
// the number of an expert (`mlp.experts.*.up_proj.weight`, from 0 up to the
// first that is not there), and `#I/N` at its end for the I-th of N equal parts
// of each matrix's rows (`mlp.experts.gate_up_proj#1/2`). `#F:N/R` at its end
// takes a matrix for a stack of matrices of R rows, of heads, and of each the N
// rows from the F-th on: [rows / R, N, K]; with `^T` behind it these rows are
// the columns, [rows / R, K, N] (`kv_b_proj.weight#0:128/256^T`).
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

/// The tensors that a parameter's name stands for, and which of their rows.
struct StoredParameter {
  /// One, or one an expert: of one shape and encoding.
  std::vector<const TensorEntry *> tensors;
  int64_t part = 0, parts = 1;
  /// Of the whole: [E, N, K] where it is of experts.
  std::vector<int64_t> shape;
  /// Rows of each head that the parameter has, from `part` on, of `parts`.
  int64_t headRows = 0;
  /// What is stored otherwise than row by row: columns. Of floats as they are,
  /// or of codes as f32.
  std::shared_ptr<std::vector<uint8_t>> own;

  /// Whether it is a parameter of `shape`. A vector may be stored as a matrix
  /// of one row, and as an element a row.
  bool fits(llvm::ArrayRef<int64_t> shape) const;
  llvm::StringRef encoding() const;
  int64_t numElements() const;
  /// Stored bytes.
  int64_t numBytes() const;
  /// The bytes of row `row` of `width` elements, rows of one matrix after
  /// those of the one before. `rowBytes` is what a row takes.
  const uint8_t *row(int64_t row, int64_t width, int64_t rowBytes) const;
};

/// Nothing if a tensor is missing, or those of experts differ.
std::optional<StoredParameter> findParameter(const ModelSource &source,
                                             llvm::StringRef name);

/// A name's parts: what stands before `#`, and the part.
struct PartName {
  llvm::StringRef base;
  int64_t part = 0, parts = 1;
};
PartName splitPart(llvm::StringRef name);

/// A name's parts: what stands before `#F:N/R`, and the numbers; rows is 0 if
/// the name has no such end.
struct HeadPart {
  llvm::StringRef base;
  int64_t first = 0, count = 0, rows = 0;
  bool transposed = false;
};
HeadPart splitHeads(llvm::StringRef name);
/// The encoding of a parameter of these rows of a tensor in `encoding`: its
/// own, or F32 where codes along its rows would have to become columns.
llvm::StringRef headEncoding(const HeadPart &part, llvm::StringRef encoding);
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
