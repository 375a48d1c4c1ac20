//===- Parameters.cpp - Which stored row a parameter's row is -------------===//
#include "heddle/Import/Parameters.h"
#include "mlir/IR/BuiltinAttributes.h"
#include <cassert>

namespace heddle::import {

RowPermutations rowPermutations(mlir::ModuleOp module) {
  RowPermutations map;
  auto dict = module->getAttrOfType<mlir::DictionaryAttr>("heddle.unpermute");
  if (!dict)
    return map;
  for (mlir::NamedAttribute entry : dict)
    if (auto heads = llvm::dyn_cast<mlir::IntegerAttr>(entry.getValue()))
      if (heads.getInt() > 0)
        map[entry.getName().getValue()] = heads.getInt();
  return map;
}

int64_t permutedHeads(const RowPermutations &map, llvm::StringRef paramName) {
  uint64_t layer;
  if (!paramName.consume_front("blk.") || paramName.consumeInteger(10, layer) ||
      !paramName.consume_front("."))
    return 0;
  return map.lookup(paramName);
}

// Halved rather than doubled, which may overflow.
bool dividesRows(int64_t heads, int64_t rows) {
  return heads > 0 && rows % 2 == 0 && rows / 2 % heads == 0;
}

int64_t storedRow(const RowPermutations &map, llvm::StringRef paramName,
                  int64_t row, int64_t rows) {
  int64_t heads = permutedHeads(map, paramName);
  if (!heads)
    return row;
  assert(dividesRows(heads, rows) && "heads must divide the rows");
  int64_t dim = rows / heads, head = row / dim, at = row % dim;
  return head * dim + 2 * (at % (dim / 2)) + at / (dim / 2);
}

} // namespace heddle::import
