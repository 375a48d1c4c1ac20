//===- tokenizer-json.cpp - Fuzzes tokenizer.json -------------------------===//
//
// tokenizer.json, and after a NUL tokenizer_config.json. What the importer
// takes a program must take too, or call unsupported.
//
//===----------------------------------------------------------------------===//
#include "Bpe.h"
#include "Fuzz.h"
#include "heddle/Import/Tokenizer.h"
#include "heddle/runtime/Failure.h"
#include "llvm/Support/FormatVariadic.h"

using namespace heddle;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  constexpr int64_t kVocab = 1024;
  static fuzz::Directory directory;
  llvm::StringRef rest(reinterpret_cast<const char *>(data), size);
  directory.write("tokenizer.json", fuzz::nextText(rest));
  if (llvm::StringRef config = fuzz::nextText(rest); !config.empty())
    directory.write("tokenizer_config.json", config);
  else
    directory.remove("tokenizer_config.json");
  auto tokenizer = import::readTokenizerJson(directory.path, kVocab);
  if (!tokenizer) {
    fuzz::refused(tokenizer.takeError());
    return 0;
  }
  std::string section = llvm::formatv("{0}", (*tokenizer)->section()).str();
  try {
    rt::Bpe bpe(section, kVocab);
    for (int32_t id : bpe.encode("a b\xc3\xa9 ab\n<end>", true)) {
      fuzz::require(id >= 0 && id < kVocab, "an id beyond the vocabulary");
      (void)bpe.bytes(id);
    }
  } catch (const rt::Failure &failure) {
    if (failure.code != rt::ExitCode::Unsupported)
      fuzz::finding("a program refuses what the importer took: " +
                    failure.message);
  }
  return 0;
}
