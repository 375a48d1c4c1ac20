//===- Importer.cpp - From a path to a checkpoint -------------------------===//
#include "heddle/Import/Importer.h"
#include "llvm/Support/FileSystem.h"

namespace heddle::import {

PartTable<Importer> &importers() {
  static PartTable<Importer> table("importer");
  return table;
}

llvm::Expected<std::unique_ptr<ModelSource>> openModel(llvm::StringRef path) {
  for (const auto &entry : importers())
    if (entry.part.claims(path))
      return entry.part.open(path);
  llvm::sys::fs::file_status status;
  if (auto ec = llvm::sys::fs::status(path, status))
    return failure(ExitCode::InputOutput, path.str() + ": " + ec.message());
  return failure(
      ExitCode::Unsupported,
      path.str() + ": format = " +
          (llvm::sys::fs::is_directory(status) ? "a directory" : "unknown") +
          ", supported are " + importers().names());
}

} // namespace heddle::import
