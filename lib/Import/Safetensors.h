//===- Safetensors.h - One safetensors file's header, checked ---*- C++ -*-===//
#ifndef HEDDLE_LIB_IMPORT_SAFETENSORS_H
#define HEDDLE_LIB_IMPORT_SAFETENSORS_H

#include "GGUFHeader.h"

namespace heddle::import {

/// Reads a safetensors header (u64 length, JSON, data; huggingface/safetensors'
/// README) and appends its tensors, whose bytes point into `file`, in the order
/// of the data. The data must be covered without gap or overlap. Tensors of
/// dtypes that are no encoding of Heddle have the dtype as encoding. Errors:
/// Malformed; Limit (header of more than 10^8 bytes, as the format's own reader
/// has it; HeaderBudget's entries).
llvm::Error readSafetensors(llvm::StringRef path, llvm::ArrayRef<uint8_t> file,
                            HeaderBudget &budget,
                            std::vector<TensorEntry> &tensors);

} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_SAFETENSORS_H
