//===- Encoding.cpp - GGML's TQ2_0 to codes -------------------------------===//
//
// block_tq2_0 of ggml-common.h: 64 bytes, then an f16 d. A byte holds four
// elements of two bits that lie 32 apart; half of the bytes are half of the 256
// elements. An element is d times its bits less one.
//
//===----------------------------------------------------------------------===//
#include "Parts.h"
#include <cstring>

using namespace heddle::import;

static void decode(const uint8_t *src, int64_t nBlocks, const Decoded &to) {
  for (int64_t b = 0; b < nBlocks; ++b, src += 66) {
    for (int i = 0; i < 256; ++i)
      to.codes[256 * b + i] =
          (src[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3) - 1;
    // The scale of a block is that of each of its groups.
    for (int group = 0; group < 8; ++group)
      std::memcpy(to.scales + 8 * b + group, src + 64, 2);
  }
}

const EncodingInfo example::tq2 = {"tq2_0",
                                   256,
                                   66,
                                   {ElemKind::I8, /*group=*/32,
                                    /*hasScale=*/true, /*hasMin=*/false,
                                    /*offset=*/0},
                                   decode};
