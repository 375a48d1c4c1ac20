//===- Encoding.cpp - GGML's IQ4_NL to codes ------------------------------===//
//
// block_iq4_nl of ggml-common.h: an f16 d, then 16 bytes; the low nibbles are
// elements 0 to 15, the high ones 16 to 31. An element is d times the entry of
// the table.
//
//===----------------------------------------------------------------------===//
#include "Parts.h"
#include <cstring>

using namespace heddle::import;

static constexpr int8_t table[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};

static void decode(const uint8_t *src, int64_t nBlocks, const Decoded &to) {
  for (int64_t i = 0; i < nBlocks; ++i, src += 18) {
    std::memcpy(to.scales + i, src, 2);
    for (int j = 0; j < 16; ++j) {
      to.codes[32 * i + j] = table[src[2 + j] & 15];
      to.codes[32 * i + 16 + j] = table[src[2 + j] >> 4];
    }
  }
}

const EncodingInfo example::iq4nl = {"iq4_nl",
                                     32,
                                     18,
                                     {ElemKind::I8, /*group=*/32,
                                      /*hasScale=*/true, /*hasMin=*/false,
                                      /*offset=*/0},
                                     decode};
