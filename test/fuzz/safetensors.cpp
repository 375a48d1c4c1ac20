//===- safetensors.cpp - Fuzzes a safetensors header ----------------------===//
#include "Safetensors.h"
#include "Fuzz.h"

using namespace heddle;
using namespace heddle::import;

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  fuzz::addEncodings();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::ArrayRef<uint8_t> file(data, size);
  HeaderBudget budget;
  std::vector<TensorEntry> tensors;
  if (llvm::Error error =
          readSafetensors("x.safetensors", file, budget, tensors)) {
    fuzz::refused(std::move(error));
    return 0;
  }
  // The data are covered without gap or overlap.
  uint64_t covered = 0;
  for (const TensorEntry &tensor : tensors) {
    fuzz::touch(tensor.bytes);
    fuzz::require(tensor.bytes.empty() ||
                      (tensor.bytes.begin() >= file.begin() + 8 &&
                       tensor.bytes.end() <= file.end()),
                  "a tensor that is not in the data");
    covered += tensor.bytes.size();
  }
  fuzz::require(covered <= size, "tensors of more bytes than the file has");
  return 0;
}
