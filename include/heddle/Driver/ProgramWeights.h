//===- ProgramWeights.h - What lies where in the weights --------*- C++ -*-===//
//
// Parameters that every step reads come first, each at a multiple of 64 bytes.
// Then the experts of each layer, one piece of the file an expert with all of
// its matrices, at a multiple of a page: one read brings an expert
// (docs/program-format.md).
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_DRIVER_PROGRAMWEIGHTS_H
#define HEDDLE_DRIVER_PROGRAMWEIGHTS_H

#include "heddle/Driver/ProgramWriter.h"
#include "heddle/Import/ModelSource.h"
#include "mlir/IR/BuiltinOps.h"
#include <map>

namespace heddle {

struct ProgramWeights {
  std::vector<WeightJob> jobs; // in the order of the file
  /// `params` and `experts` of the manifest; no experts: null.
  llvm::json::Array params;
  llvm::json::Value experts = nullptr;
  int64_t parameters = 0; // elements
  std::map<std::string, int64_t> bytesByEncoding;
};

/// Lays out `heddle.params` of a planned module, whose tensors are those of
/// `source`. Errors: Malformed where they are not.
llvm::Expected<ProgramWeights> planWeights(mlir::ModuleOp module,
                                           const import::ModelSource &source);

} // namespace heddle

#endif // HEDDLE_DRIVER_PROGRAMWEIGHTS_H
