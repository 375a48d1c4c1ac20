//===- gguf-probe.cpp - Opens a checkpoint and says what it holds ---------===//
//
// gguf-probe MODEL                     counts, metadata and tensors as lines
// gguf-probe MODEL --dump-tensor NAME  the tensor as raw little-endian f32
//
// MODEL is a GGUF file, or a directory of safetensors if it ends in `/`.
//
// The tests run this built with the address and undefined-behaviour sanitizers.
//
//===----------------------------------------------------------------------===//
#include "heddle/Import/Encoding.h"
#include "heddle/Import/HuggingFace.h"
#include "heddle/Import/ModelSource.h"
#include <cstdio>
#include <fmt/format.h>

using namespace heddle;
using namespace heddle::import;

static void print(const std::string &text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

// FNV-1a over all bytes: reads the whole extent, and lets tests compare sets.
static uint64_t hash(llvm::ArrayRef<uint8_t> bytes) {
  uint64_t h = 0xcbf29ce484222325;
  for (uint8_t byte : bytes)
    h = (h ^ byte) * 0x100000001b3;
  return h;
}

static void list(const ModelSource &source) {
  print(fmt::format("metadata {}\n", source.metadata.size()));
  for (const auto &[key, value] : source.metadata)
    print(fmt::format("{} kind {}\n", key, value.index()));
  print(fmt::format("tensors {}\n", source.tensors.size()));
  for (const TensorEntry &tensor : source.tensors)
    print(fmt::format("{} [{}] {} {} {:016x}\n", tensor.name,
                      fmt::join(tensor.shape, ","), tensor.encoding,
                      tensor.bytes.size(), hash(tensor.bytes)));
}

static llvm::Error dump(const ModelSource &source, llvm::StringRef name) {
  const TensorEntry *tensor = source.find(name);
  if (!tensor)
    return failure(ExitCode::Usage, source.path + ": no tensor " + name.str());
  const EncodingInfo *info = findEncoding(tensor->encoding);
  if (!info)
    return failure(ExitCode::Unsupported,
                   fmt::format("{}: tensor '{}' encoding = {}, limit those "
                               "that Heddle decodes",
                               source.path, tensor->name, tensor->encoding));
  std::vector<float> row(info->blockElems);
  for (size_t at = 0; at < tensor->bytes.size(); at += info->blockBytes) {
    dequantize(*info, tensor->bytes.data() + at, 1, row.data());
    std::fwrite(row.data(), sizeof(float), row.size(), stdout);
  }
  return llvm::Error::success();
}

int main(int argc, char **argv) {
  llvm::StringRef flag = argc == 4 ? argv[2] : "";
  if (argc != 2 && flag != "--dump-tensor")
    return report(failure(ExitCode::Usage, "arguments = other, limit MODEL "
                                           "[--dump-tensor NAME]"));
  for (const EncodingInfo &encoding : builtinEncodings())
    llvm::cantFail(encodings().add(encoding, "gguf-probe"));
  auto source = llvm::StringRef(argv[1]).ends_with("/")
                    ? openHuggingFace(argv[1])
                    : openGGUF(argv[1]);
  if (!source)
    return report(source.takeError());
  if (argc == 2)
    list(**source);
  else if (auto error = dump(**source, argv[3]))
    return report(std::move(error));
  return 0;
}
