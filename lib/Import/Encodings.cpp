//===- Encodings.cpp - Source blocks to canonical codes -------------------===//
#include "heddle/Import/Encoding.h"
#include "llvm/Support/Endian.h"
#include <cstring>
#include <vector>

namespace heddle::import {

using llvm::support::endian::read16le;
using llvm::support::endian::read32le;

// Floats are their own codes.
template <int ElemBytes>
static void decodeFloats(const uint8_t *src, int64_t nBlocks,
                         const Decoded &to) {
  std::memcpy(to.codes, src, static_cast<size_t>(nBlocks) * ElemBytes);
}

// f16 scale; i8[32].
static void decodeQ8_0(const uint8_t *src, int64_t nBlocks, const Decoded &to) {
  for (int64_t b = 0; b < nBlocks; ++b, src += 34) {
    to.scales[b] = read16le(src);
    std::memcpy(to.codes + b * 32, src + 2, 32);
  }
}

// `count` bytes: element i < count is the low nibble of byte i, element count +
// i the high.
static void splitNibbles(const uint8_t *qs, int count, uint8_t *codes) {
  for (int i = 0; i < count; ++i) {
    codes[i] = qs[i] & 15;
    codes[count + i] = qs[i] >> 4;
  }
}

// Blocks of 32: f16 scale; f16 min, where there is one; for five bits the fifth
// bits of the codes as a u32; nibbles.
template <bool HasMin, bool HasFifth>
static void decodeNibbles(const uint8_t *src, int64_t nBlocks,
                          const Decoded &to) {
  for (int64_t b = 0; b < nBlocks; ++b) {
    uint8_t *codes = to.codes + b * 32;
    to.scales[b] = read16le(src);
    src += 2;
    if (HasMin) {
      to.mins[b] = read16le(src);
      src += 2;
    }
    uint32_t fifth = HasFifth ? read32le(src) : 0;
    src += HasFifth ? 4 : 0;
    splitNibbles(src, 16, codes);
    src += 16;
    for (int i = 0; HasFifth && i < 32; ++i)
      codes[i] |= (fifth >> i & 1) << 4;
  }
}

// Blocks of 256 in groups of 32: f16 d, f16 e; eight scales and eight minima of
// six bits in 12 bytes; for five bits 32 bytes whose bit g belongs to group g;
// nibbles, two groups to each 32 bytes.
template <bool HasFifth>
static void decodeQ45_K(const uint8_t *src, int64_t nBlocks,
                        const Decoded &to) {
  for (int64_t b = 0; b < nBlocks; ++b) {
    uint8_t *codes = to.codes + b * 256, *scales = to.groupScales + b * 8,
            *mins = to.groupMins + b * 8;
    to.scales[b] = read16le(src);
    to.mins[b] = read16le(src + 2);
    const uint8_t *packed = src + 4, *fifth = src + 16,
                  *qs = fifth + (HasFifth ? 32 : 0);
    // Of the last four, the low nibbles are in bytes 8 to 11, the rest above
    // the first four.
    for (int g = 0; g < 4; ++g) {
      scales[g] = packed[g] & 63;
      mins[g] = packed[g + 4] & 63;
      scales[g + 4] = (packed[g + 8] & 15) | packed[g] >> 6 << 4;
      mins[g + 4] = packed[g + 8] >> 4 | packed[g + 4] >> 6 << 4;
    }
    for (int pair = 0; pair < 4; ++pair)
      splitNibbles(qs + pair * 32, 32, codes + pair * 64);
    for (int i = 0; HasFifth && i < 256; ++i)
      codes[i] |= (fifth[i % 32] >> i / 32 & 1) << 4;
    src = qs + 128;
  }
}

// Blocks of 256 in groups of 16: 128 bytes of nibbles and 64 bytes of pairs of
// bits, half of each for half of the block; 16 scales of i8; f16 d.
static void decodeQ6_K(const uint8_t *src, int64_t nBlocks, const Decoded &to) {
  for (int64_t b = 0; b < nBlocks; ++b, src += 210) {
    uint8_t *codes = to.codes + b * 256;
    for (int half = 0; half < 2; ++half, codes += 128) {
      splitNibbles(src + half * 64, 64, codes);
      for (int i = 0; i < 128; ++i)
        codes[i] |= (src[128 + half * 32 + i % 32] >> i / 32 * 2 & 3) << 4;
    }
    std::memcpy(to.groupScales + b * 16, src + 192, 16);
    to.scales[b] = read16le(src + 208);
  }
}

// Blocks of 32 (OCP Microscaling Formats 1.0, MXFP4): an E8M0 scale; nibbles of
// E2M1. The table holds twice what a code means, so the scale is half of
// 2^(e - 127): as in ggml 2^127 for the e that the specification calls NaN.
static void decodeMXFP4(const uint8_t *src, int64_t nBlocks,
                        const Decoded &to) {
  for (int64_t b = 0; b < nBlocks; ++b, src += 17) {
    int e = src[0];
    to.scales[b] = e < 2 ? 0x20 << e : (e - 1) << 7; // subnormals below 2^-126
    splitNibbles(src + 1, 16, to.codes + b * 32);
  }
}

static constexpr int8_t kE2M1[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                     0, -1, -2, -3, -4, -6, -8, -12};
static constexpr int8_t kNonLinear[16] = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static constexpr EncodingInfo kBuiltin[] = {
    // name, block elements, block bytes,
    //   {element, group, scale, min, offset, super, scales}, decode
    {"f32", 1, 4, {ElemKind::F32, 1, false, false, 0}, decodeFloats<4>},
    {"f16", 1, 2, {ElemKind::F16, 1, false, false, 0}, decodeFloats<2>},
    {"bf16", 1, 2, {ElemKind::BF16, 1, false, false, 0}, decodeFloats<2>},
    {"q8_0", 32, 34, {ElemKind::I8, 32, true, false, 0}, decodeQ8_0},
    {"q4_0",
     32,
     18,
     {ElemKind::U4, 32, true, false, -8},
     decodeNibbles<false, false>},
    {"q4_1",
     32,
     20,
     {ElemKind::U4, 32, true, true, 0},
     decodeNibbles<true, false>},
    {"q5_0",
     32,
     22,
     {ElemKind::U5, 32, true, false, -16},
     decodeNibbles<false, true>},
    {"q5_1",
     32,
     24,
     {ElemKind::U5, 32, true, true, 0},
     decodeNibbles<true, true>},
    {"q4_k",
     256,
     144,
     {ElemKind::U4, 32, true, true, 0, 256, ScaleKind::U6},
     decodeQ45_K<false>},
    {"q5_k",
     256,
     176,
     {ElemKind::U5, 32, true, true, 0, 256, ScaleKind::U6},
     decodeQ45_K<true>},
    {"q6_k",
     256,
     210,
     {ElemKind::U6, 16, true, false, -32, 256, ScaleKind::I8},
     decodeQ6_K},
    {"iq4_nl",
     32,
     18,
     {ElemKind::U4, 32, true, false, 0, 0, ScaleKind::F16, kNonLinear},
     decodeNibbles<false, false>},
    {"mxfp4",
     32,
     17,
     {ElemKind::U4, 32, true, false, 0, 0, ScaleKind::BF16, kE2M1},
     decodeMXFP4},
};

llvm::ArrayRef<EncodingInfo> builtinEncodings() { return kBuiltin; }

PartTable<EncodingInfo> &encodings() {
  static PartTable<EncodingInfo> table("encoding");
  return table;
}

const EncodingInfo *findEncoding(llvm::StringRef name) {
  return encodings().find(name);
}

int64_t elemBytes(ElemKind kind) {
  switch (kind) {
  case ElemKind::F32:
    return 4;
  case ElemKind::F16:
  case ElemKind::BF16:
    return 2;
  case ElemKind::I8:
  case ElemKind::U4:
  case ElemKind::U5:
  case ElemKind::U6:
    return 1;
  }
  return 0;
}

static float fromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

float halfToFloat(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16;
  uint32_t exponent = (half >> 10) & 31, mantissa = half & 1023;
  if (exponent == 31) // infinity, or a NaN that keeps its payload
    return fromBits(sign | 0x7f800000 | mantissa << 13);
  if (exponent != 0)
    return fromBits(sign | (exponent + 112) << 23 | mantissa << 13);
  // Subnormal: mantissa * 2^-24 is exact in float.
  float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

void dequantize(const EncodingInfo &info, const uint8_t *src, int64_t nBlocks,
                float *out) {
// ggml rounds the product and the sum separately; a fused multiply-add would
// differ in the last bit.
#pragma clang fp contract(off)
  const CanonicalEncoding &canonical = info.canonical;
  const int64_t size = elemBytes(canonical.elem);
  const int64_t groups = info.blockElems / canonical.group;
  std::vector<uint8_t> codes(info.blockElems * size), groupScales(groups),
      groupMins(groups);
  std::vector<uint16_t> scales(groups), mins(groups);
  for (int64_t b = 0; b < nBlocks; ++b, src += info.blockBytes) {
    info.decode(src, 1,
                {codes.data(), scales.data(), mins.data(), groupScales.data(),
                 groupMins.data()});
    // The scale or the min of element i.
    auto number = [&](const std::vector<uint16_t> &halves,
                      const std::vector<uint8_t> &bytes, int64_t i) {
      uint8_t byte = bytes[i / canonical.group];
      if (canonical.scales == ScaleKind::BF16)
        return fromBits(uint32_t(halves[i / canonical.group]) << 16);
      if (!canonical.super)
        return halfToFloat(halves[i / canonical.group]);
      int stored =
          canonical.scales == ScaleKind::I8 ? static_cast<int8_t>(byte) : byte;
      return halfToFloat(halves[i / canonical.super]) *
             static_cast<float>(stored);
    };
    for (int64_t i = 0; i < info.blockElems; ++i) {
      const uint8_t *code = codes.data() + i * size;
      float value = 0;
      switch (canonical.elem) {
      case ElemKind::F32:
        value = fromBits(read32le(code));
        break;
      case ElemKind::F16:
        value = halfToFloat(read16le(code));
        break;
      case ElemKind::BF16:
        value = fromBits(uint32_t(read16le(code)) << 16);
        break;
      case ElemKind::I8:
        value =
            static_cast<float>(static_cast<int8_t>(*code) + canonical.offset);
        break;
      case ElemKind::U4:
      case ElemKind::U5:
      case ElemKind::U6:
        value = static_cast<float>(canonical.table ? canonical.table[*code]
                                                   : *code + canonical.offset);
        break;
      }
      if (canonical.hasScale)
        value = number(scales, groupScales, i) * value;
      if (canonical.hasMin)
        value = canonical.super ? value - number(mins, groupMins, i)
                                : value + number(mins, groupMins, i);
      *out++ = value;
    }
  }
}

} // namespace heddle::import
