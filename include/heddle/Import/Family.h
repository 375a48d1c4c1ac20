//===- Family.h - From a checkpoint to the graph ----------------*- C++ -*-===//
#ifndef HEDDLE_IMPORT_FAMILY_H
#define HEDDLE_IMPORT_FAMILY_H

#include "heddle/Import/ModelSource.h"
#include "heddle/Support/PartTable.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace heddle::import {

/// Reads a checkpoint's config and emits the graph.
struct Family {
  /// As in `general.architecture`.
  const char *name;
  const char *summary;
  /// Fills an empty module. Errors: Malformed or Unsupported, one Failure with
  /// everything that was found; the module is then half built.
  llvm::Error (*build)(const ModelSource &source, mlir::ModuleOp module);
};

PartTable<Family> &families();

/// Dispatches on `general.architecture`, builds and verifies. The module does
/// not refer to the source. Errors: as Family::build; Bug if what was built
/// does not verify.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
importModel(mlir::MLIRContext &context, const ModelSource &source);

} // namespace heddle::import

#endif // HEDDLE_IMPORT_FAMILY_H
