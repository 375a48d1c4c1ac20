//===- Family.h - From a checkpoint to the graph ----------------*- C++ -*-===//
#ifndef HEDDLE_IMPORT_FAMILY_H
#define HEDDLE_IMPORT_FAMILY_H

#include "heddle/Import/ModelSource.h"
#include "heddle/Support/PartTable.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <functional>

namespace heddle::import {

/// A value of `architectures` in a Hugging Face config.json.
struct Architecture {
  const char *name;
  /// `model_type`, which must agree.
  const char *modelType;
  /// Its checkpoints carry code of their own (`auto_map`), which is known and
  /// never run. With any other, `auto_map` is Unsupported: that code may
  /// compute something else.
  bool ownCode = false;
};

/// Reads a checkpoint's config and emits the graph.
struct Family {
  /// As in `general.architecture` of a GGUF, unless `ggufName` says otherwise.
  const char *name;
  const char *summary;
  /// Fills an empty module. Errors: Malformed or Unsupported, one Failure with
  /// everything that was found; the module is then half built.
  std::function<llvm::Error(const ModelSource &source, mlir::ModuleOp module)>
      build;
  /// Those of Hugging Face that the family builds; none if it knows GGUF alone.
  llvm::ArrayRef<Architecture> architectures = {};
  const char *ggufName = nullptr;
};

PartTable<Family> &families();

/// Dispatches on `general.architecture`, or `architectures` and `model_type` of
/// a Hugging Face directory, builds and verifies. The module does not refer to
/// the source. Errors: as Family::build; Bug if what was built does not verify.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
importModel(mlir::MLIRContext &context, const ModelSource &source);

} // namespace heddle::import

#endif // HEDDLE_IMPORT_FAMILY_H
