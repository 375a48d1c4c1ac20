//===- HuggingFace.h - A directory of safetensors ---------------*- C++ -*-===//
//
// config.json, model.safetensors or the shards that
// model.safetensors.index.json names, and generation_config.json. Nothing else
// in the directory is read, and no code is run.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_IMPORT_HUGGINGFACE_H
#define HEDDLE_IMPORT_HUGGINGFACE_H

#include "heddle/Import/ModelSource.h"
#include "heddle/Support/MappedFile.h"

namespace heddle::import {

/// Whether a path is a directory.
bool claimsHuggingFace(llvm::StringRef path);

/// Opens a checkpoint's directory. The metadata are those of config.json, keys
/// of inner objects joined by dots, in the order of their names. Errors:
/// Malformed, Limit, Unsupported, naming the file within; InputOutput.
llvm::Expected<std::unique_ptr<ModelSource>>
openHuggingFace(llvm::StringRef path);

/// Maps the file `name` of a checkpoint's directory; nothing if there is none.
/// Errors: Malformed for a name that is no plain file name and for what is no
/// regular file of the directory alone: another kind of file, a link that leads
/// out of it (those of a hub cache to its blobs do not count), one that has
/// other hard links.
llvm::Expected<std::optional<MappedFile>>
openModelFile(llvm::StringRef directory, llvm::StringRef name);

} // namespace heddle::import

#endif // HEDDLE_IMPORT_HUGGINGFACE_H
