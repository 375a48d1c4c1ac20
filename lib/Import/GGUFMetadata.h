//===- GGUFMetadata.h - GGUF's typed metadata values ------------*- C++ -*-===//
#ifndef HEDDLE_LIB_IMPORT_GGUFMETADATA_H
#define HEDDLE_LIB_IMPORT_GGUFMETADATA_H

#include "GGUFHeader.h"

namespace heddle::import {

/// Reads a name: non-empty UTF-8 of at most `maxLength` bytes without NUL.
/// Errors: Malformed.
llvm::Expected<llvm::StringRef>
readName(SpanReader &reader, const llvm::Twine &field, uint64_t maxLength);

/// Reads a u32 type and the value. String values keep their bytes, whatever
/// they are. Errors: Malformed; Unsupported (array of arrays); Limit.
llvm::Expected<MetaValue> readMetaValue(SpanReader &reader,
                                        HeaderBudget &budget,
                                        const llvm::Twine &field);

} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_GGUFMETADATA_H
