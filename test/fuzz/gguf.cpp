//===- gguf.cpp - Fuzzes a GGUF file's header and tokenizer ---------------===//
#include "Fuzz.h"
#include "GGUFHeader.h"
#include "Generation.h"
#include "heddle/Import/Tokenizer.h"

using namespace heddle;
using namespace heddle::import;

namespace {
struct Source final : ModelSource {};
} // namespace

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  fuzz::addEncodings();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::ArrayRef<uint8_t> file(data, size);
  Source source;
  source.path = "x.gguf";
  source.format = "gguf";
  HeaderBudget budget;
  if (llvm::Error error = readGGUF(source.path, file, budget, source.metadata,
                                   source.tensors)) {
    fuzz::refused(std::move(error));
    return 0;
  }
  source.index();
  for (const TensorEntry &tensor : source.tensors) {
    fuzz::require(tensor.bytes.empty() ||
                      (tensor.bytes.begin() >= file.begin() &&
                       tensor.bytes.end() <= file.end()),
                  "a tensor that is not in the file");
    fuzz::touch(tensor.bytes);
    if (const EncodingInfo *info = findEncoding(tensor.encoding);
        info && tensor.bytes.size() >= size_t(info->blockBytes)) {
      std::vector<float> block(info->blockElems);
      dequantize(*info, tensor.bytes.data(), 1, block.data());
    }
  }
  if (llvm::Error error = readSamplingKeys(source, source.generation))
    fuzz::refused(std::move(error));
  auto tokenizer = readGGUFTokenizer(source);
  if (!tokenizer)
    fuzz::refused(tokenizer.takeError());
  else if (*tokenizer)
    (void)(*tokenizer)->section();
  return 0;
}
