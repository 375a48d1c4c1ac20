//===- Importer.h - From a path to a checkpoint -----------------*- C++ -*-===//
#ifndef HEDDLE_IMPORT_IMPORTER_H
#define HEDDLE_IMPORT_IMPORTER_H

#include "heddle/Import/ModelSource.h"
#include "heddle/Support/PartTable.h"

namespace heddle::import {

/// Reads one format of checkpoint.
struct Importer {
  const char *name, *summary;
  /// Whether a path is of this format, by its name or first bytes: what is
  /// claimed and then broken is Malformed.
  bool (*claims)(llvm::StringRef path);
  llvm::Expected<std::unique_ptr<ModelSource>> (*open)(llvm::StringRef path);
};

PartTable<Importer> &importers();

/// Opens a checkpoint with the first importer that claims it. Errors: the
/// importer's; InputOutput if there is no such file; Unsupported if nothing
/// claims it.
llvm::Expected<std::unique_ptr<ModelSource>> openModel(llvm::StringRef path);

} // namespace heddle::import

#endif // HEDDLE_IMPORT_IMPORTER_H
