//===- ModuleFile.h - A module from a file, checked -------------*- C++ -*-===//
//
// `heddle import` and `--dump-ir` write modules that may be edited and read
// again.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_DRIVER_MODULEFILE_H
#define HEDDLE_DRIVER_MODULEFILE_H

#include "heddle/Import/ModelSource.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace heddle {

struct ModuleFile {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// Index of the phase it was written after.
  size_t phase;
};

/// Whether the name of a model is that of a module.
inline bool isModuleFile(llvm::StringRef path) {
  return path.ends_with(".mlir");
}

/// MLIR's parser recurses where text nests, where signs follow one another and
/// along the terms of an affine expression, and allocates what a resource says.
/// Dumps of ours nest 20 deep and have no resources. Malformed, naming `path`,
/// the line, value and limit.
enum class Resources { None, Checked };
llvm::Error checkModuleText(llvm::StringRef path, llvm::StringRef text,
                            Resources resources);

/// Reads a module from text that nests at most 256 deep. The `heddle.…`
/// attributes that its phase has are there, of their kind and within their
/// limits. Errors: InputOutput; Unsupported (bytecode); Malformed, naming file,
/// attribute or line, value and limit.
llvm::Expected<ModuleFile> readModule(mlir::MLIRContext &context,
                                      llvm::StringRef path);

/// Malformed, naming `path`, if the heads of `heddle.unpermute` do not divide
/// the rows of a tensor of `source`.
llvm::Error checkPermutations(mlir::ModuleOp module,
                              const import::ModelSource &source,
                              llvm::StringRef path);

} // namespace heddle

#endif // HEDDLE_DRIVER_MODULEFILE_H
