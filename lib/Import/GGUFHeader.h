//===- GGUFHeader.h - One GGUF file's header, checked -----------*- C++ -*-===//
#ifndef HEDDLE_LIB_IMPORT_GGUFHEADER_H
#define HEDDLE_LIB_IMPORT_GGUFHEADER_H

#include "heddle/Import/ModelSource.h"
#include "heddle/Import/SpanReader.h"

namespace heddle::import {

/// Bounds what decoded headers hold in memory: 16 MiB + 3 × the header bytes
/// read so far (the mapped header itself is the fourth), over all parts of a
/// set. A byte array grows eightfold when decoded, so this is a real limit.
class HeaderBudget {
public:
  /// Most header bytes that are accepted, over all parts of a set.
  static constexpr uint64_t kMaxHeaderBytes = uint64_t{128} << 20;
  /// Most metadata pairs, and most tensors, of a set. Real models have < 10^4.
  static constexpr uint64_t kMaxEntries = 65536;

  /// Charges `bytes` of memory for `field`, read from `reader`.
  /// Errors: Limit.
  llvm::Error hold(const SpanReader &reader, uint64_t bytes,
                   const llvm::Twine &field);
  /// Charges `count` entries against kMaxEntries. Errors: Limit.
  llvm::Error addEntries(const SpanReader &reader, uint64_t &total,
                         uint64_t count, const llvm::Twine &field);
  /// Ends a part: its header stays counted for the parts that follow.
  void finish(const SpanReader &reader) { finished += reader.offset(); }

  uint64_t pairs = 0, tensors = 0;

private:
  uint64_t finished = 0, held = 0;
};

using Metadata = std::vector<std::pair<std::string, MetaValue>>;

/// Reads a GGUF v3 file's header and checks each tensor's extent against
/// `file`, whose bytes the entries of `tensors` point into.
/// Errors: Malformed; Unsupported (version, byte order, nested array, tensor
/// types, all of them in one line); Limit (HeaderBudget).
llvm::Error readGGUF(llvm::StringRef path, llvm::ArrayRef<uint8_t> file,
                     HeaderBudget &budget, Metadata &metadata,
                     std::vector<TensorEntry> &tensors);

} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_GGUFHEADER_H
