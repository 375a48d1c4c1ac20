//===- ProgramReader.h - The manifest of a compiled program -----*- C++ -*-===//
#ifndef HEDDLE_DRIVER_PROGRAMREADER_H
#define HEDDLE_DRIVER_PROGRAMREADER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace heddle {

/// Whether a file begins as a program does (ELF); no model's file does.
bool isProgramFile(llvm::StringRef path);

/// The manifest of the file of docs/program-format.md. Errors: InputOutput;
/// Malformed for an ELF file that is none of ours; Changed where a hash or a
/// size is not the trailer's.
llvm::Expected<llvm::json::Object> readManifest(llvm::StringRef path);

} // namespace heddle

#endif // HEDDLE_DRIVER_PROGRAMREADER_H
