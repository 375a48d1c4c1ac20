//===- Encoding.h - Source blocks to canonical codes ------------*- C++ -*-===//
//
// An encoding is data: a name, a block size, the canonical form that its
// elements have in Heddle, and one function that moves bits. Nothing is rounded
// on the way in; what the numbers mean is in CanonicalEncoding.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_IMPORT_ENCODING_H
#define HEDDLE_IMPORT_ENCODING_H

#include "heddle/Support/PartTable.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>

namespace heddle::import {

/// What an element's code is.
enum class ElemKind : uint8_t { F32, F16, BF16, I8, U4 };

/// Bytes of one decoded code, little-endian. U4 takes a byte, the nibble low.
int64_t elemBytes(ElemKind kind);

/// value = scale · (code + offset) + min, where a missing scale is 1 and a
/// missing min is 0.
struct CanonicalEncoding {
  ElemKind elem;
  /// Consecutive elements that share a scale and a min; 1 for floats. Divides
  /// the block.
  int64_t group;
  /// Whether a group has an f16 scale and an f16 min.
  bool hasScale, hasMin;
  int64_t offset;
};

struct EncodingInfo {
  /// As in TensorEntry::encoding.
  const char *name;
  /// A block: this many consecutive elements of a row, this many bytes.
  int64_t blockElems, blockBytes;
  CanonicalEncoding canonical;
  /// Splits `nBlocks` source blocks. `codes`: [nBlocks · blockElems] codes of
  /// elemBytes each, in element order; `scales`, `mins`: [nBlocks · blockElems
  /// / group] f16 bits, not touched (may be null) where the encoding has none.
  /// No arithmetic, bits only. Cannot fail: every bit pattern is a block.
  void (*decode)(const uint8_t *src, int64_t nBlocks, uint8_t *codes,
                 uint16_t *scales, uint16_t *mins);
};

PartTable<EncodingInfo> &encodings();
/// The registered encoding of that name, or null.
const EncodingInfo *findEncoding(llvm::StringRef name);

/// Those of the tree: f32, f16, bf16, q8_0, q4_0, q4_1.
llvm::ArrayRef<EncodingInfo> builtinEncodings();

/// The f32 of f16 bits: exact, NaN payloads kept.
float halfToFloat(uint16_t half);

/// Decodes `nBlocks` blocks to `out` [nBlocks · blockElems], in f32 with one
/// rounding for the product and one for the sum, as ggml's reference does.
void dequantize(const EncodingInfo &info, const uint8_t *src, int64_t nBlocks,
                float *out);

} // namespace heddle::import

#endif // HEDDLE_IMPORT_ENCODING_H
