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
enum class ElemKind : uint8_t { F32, F16, BF16, I8, U4, U5, U6 };
/// What a group's scale and its min are: an f16, a bf16, or an integer that an
/// f16 multiplies.
enum class ScaleKind : uint8_t { F16, BF16, U6, I8 };

/// Bytes of one decoded code, little-endian. A code of four to six bits takes a
/// byte.
int64_t elemBytes(ElemKind kind);

/// value = scale · (code + offset) + min, where a missing scale is 1 and a
/// missing min is 0. Under `super`, a group's scale is d · s and its min −(e ·
/// m), each rounded to f32: f16 d and e for `super` elements, integers s and m
/// for a group.
struct CanonicalEncoding {
  ElemKind elem;
  /// Consecutive elements that share a scale and a min; 1 for floats. Divides
  /// the block.
  int64_t group;
  /// Whether a group has a scale and a min.
  bool hasScale, hasMin;
  int64_t offset;
  /// Elements under one d and e, a multiple of `group` that divides the block;
  /// 0 where scales are one f16.
  int64_t super = 0;
  ScaleKind scales = ScaleKind::F16;
  /// The 16 integers that codes of U4 choose from: value = scale · table[code],
  /// without min and offset. Null: codes are numbers.
  const int8_t *table = nullptr;
};

/// Where decoded blocks go. What an encoding has not is not touched, and may be
/// null.
struct Decoded {
  /// Codes of elemBytes each, in element order.
  uint8_t *codes;
  /// f16 or bf16 bits: one a group, or under `super` the d and the e, one per
  /// `super` elements.
  uint16_t *scales, *mins;
  /// Under `super`, the s and the m of each group, a byte each.
  uint8_t *groupScales, *groupMins;
};

struct EncodingInfo {
  /// As in TensorEntry::encoding.
  const char *name;
  /// A block: this many consecutive elements of a row, this many bytes.
  int64_t blockElems, blockBytes;
  CanonicalEncoding canonical;
  /// Splits `nBlocks` source blocks. No arithmetic, bits only. Cannot fail:
  /// every bit pattern is a block.
  void (*decode)(const uint8_t *src, int64_t nBlocks, const Decoded &to);
};

PartTable<EncodingInfo> &encodings();
/// The registered encoding of that name, or null.
const EncodingInfo *findEncoding(llvm::StringRef name);

/// Those of the tree: f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k,
/// q6_k, iq4_nl, mxfp4.
llvm::ArrayRef<EncodingInfo> builtinEncodings();

/// Whether elements are floats by themselves, each a block.
inline bool isFloat(const EncodingInfo &info) {
  ElemKind kind = info.canonical.elem;
  return info.blockElems == 1 && !info.canonical.hasScale &&
         (kind == ElemKind::F32 || kind == ElemKind::F16 ||
          kind == ElemKind::BF16);
}

/// The f32 of f16 bits: exact, NaN payloads kept.
float halfToFloat(uint16_t half);

/// Decodes `nBlocks` blocks to `out` [nBlocks · blockElems], in f32 with one
/// rounding for the product and one for the sum, as ggml's reference does.
void dequantize(const EncodingInfo &info, const uint8_t *src, int64_t nBlocks,
                float *out);

} // namespace heddle::import

#endif // HEDDLE_IMPORT_ENCODING_H
