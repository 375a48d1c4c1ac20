//===- token-text.cpp - Fuzzes encoding and decoding of text --------------===//
//
// The first byte chooses one of the tokenizers beside this file and whether
// control tokens count; the rest is text.
//
//===----------------------------------------------------------------------===//
#include "Bpe.h"
#include "Fuzz.h"
#include "Utf8.h"
#include "heddle/Import/Tokenizer.h"
#include "llvm/Support/FormatVariadic.h"

using namespace heddle;

namespace {
struct Known {
  std::unique_ptr<rt::Bpe> bpe;
  /// Pieces put together are the text.
  bool exact;
};
std::vector<Known> known;
constexpr int64_t kVocab = 1024;
} // namespace

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  for (auto [name, exact] : {std::pair{"bytes", true},
                             {"bytes-nfc", false},
                             {"pieces", false},
                             {"bytes-nfkc", false}}) {
    auto tokenizer = llvm::cantFail(import::readTokenizerJson(
        std::string(FUZZ_TOKENIZERS "/") + name, kVocab));
    known.push_back(
        {std::make_unique<rt::Bpe>(
             llvm::formatv("{0}", tokenizer->section()).str(), kVocab),
         exact});
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!size)
    return 0;
  const Known &chosen = known[(data[0] >> 1) % known.size()];
  std::string_view text(reinterpret_cast<const char *>(data) + 1, size - 1);
  std::string bytes, streamed;
  rt::TextStream stream;
  for (int32_t id : chosen.bpe->encode(text, data[0] & 1)) {
    fuzz::require(id >= 0 && id < kVocab, "an id beyond the vocabulary");
    bytes += chosen.bpe->bytes(id);
    std::string ready = stream.add(chosen.bpe->bytes(id));
    fuzz::require(rt::sanitizeUtf8(ready) == ready, "a piece of no characters");
    streamed += ready;
  }
  streamed += stream.finish();
  fuzz::require(rt::sanitizeUtf8(bytes) == streamed,
                "a stream other than the text");
  if (chosen.exact)
    fuzz::require(bytes == rt::sanitizeUtf8(text), "another text");
  return 0;
}
