//===- Parameters.h - Which stored row a parameter's row is -----*- C++ -*-===//
//
// A checkpoint may store the rows of a tensor in another order than its family
// defines: converters to GGUF `llama` interleave the two halves of each head's
// q and k rows. The module says so in `heddle.unpermute`, and everything that
// reads weights (packer, interpreter) reads rows through storedRow.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_IMPORT_PARAMETERS_H
#define HEDDLE_IMPORT_PARAMETERS_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace heddle::import {

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
