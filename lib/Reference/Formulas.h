//===- Formulas.h - What the meanings of ops share --------------*- C++ -*-===//
#ifndef HEDDLE_LIB_REFERENCE_FORMULAS_H
#define HEDDLE_LIB_REFERENCE_FORMULAS_H

#include "Parallel.h"
#include "Semantics.h"
#include "heddle/dialects/Heddle/Heddle.h"

namespace heddle::reference {

using Operands = llvm::ArrayRef<Data>;
using Results = llvm::SmallVectorImpl<Data>;

/// Limit: `what` = value, of 0 to limit - 1.
llvm::Error outOfRange(mlir::Operation *op, llvm::StringRef what, int64_t value,
                       int64_t limit);
/// Limit for the first of `ids` that is not in 0 to limit - 1.
llvm::Error checkIds(mlir::Operation *op, llvm::StringRef what, const Data &ids,
                     int64_t limit);
/// Usage if the operands have different numbers of tokens.
llvm::Error checkRows(mlir::Operation *op, const Data &a, const Data &b);

/// Eight partial sums, so that the loop is made of vectors.
template <typename T> double dot(const double *x, const T *w, int64_t count) {
  double sums[8] = {};
  int64_t k = 0;
  for (; k + 8 <= count; k += 8)
    for (int l = 0; l < 8; ++l)
      sums[l] += x[k + l] * static_cast<double>(w[k + l]);
  for (; k < count; ++k)
    sums[0] += x[k] * static_cast<double>(w[k]);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) +
         ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

/// What a gated unit of that activation makes of a gate and an up.
double gated(ActivationAttr activation, double gate, double up);

/// Elements rounded as #heddle.rows says; whole groups.
std::vector<double> roundRows(RowsAttr rows, std::vector<double> values);

/// `fn` takes the op by its class; the registry by its name.
template <typename OpT>
void add(llvm::StringMap<Semantics> &map,
         llvm::Error (*fn)(Interpreter &, OpT, Operands, Results &)) {
  map[OpT::getOperationName()] = [fn](Interpreter &in, mlir::Operation *op,
                                      Operands operands, Results &results) {
    return fn(in, llvm::cast<OpT>(op), operands, results);
  };
}

void addMoESemantics(llvm::StringMap<Semantics> &map);
void addCustomRouteSemantics(llvm::StringMap<Semantics> &map);

} // namespace heddle::reference

#endif // HEDDLE_LIB_REFERENCE_FORMULAS_H
