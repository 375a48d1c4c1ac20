//===- tokenizer-probe.cpp - Prints the tokenizer section of a checkpoint -===//
//
// tokenizer-probe PATH [VOCAB]   PATH is a GGUF file, or a directory with a
//                                tokenizer.json whose ids are below VOCAB
//
// The tests run this built with the address and undefined-behaviour sanitizers.
//
//===----------------------------------------------------------------------===//
#include "heddle/Driver/TokenizerData.h"
#include "heddle/Import/Encoding.h"
#include "heddle/Import/Tokenizer.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace heddle;
using namespace heddle::import;

static llvm::Expected<std::optional<Tokenizer>> read(llvm::StringRef path,
                                                     int64_t vocab) {
  if (llvm::sys::fs::is_directory(path))
    return readTokenizerJson(path, vocab);
  for (const EncodingInfo &encoding : builtinEncodings())
    llvm::cantFail(encodings().add(encoding, "tokenizer-probe"));
  auto source = openGGUF(path);
  if (!source)
    return source.takeError();
  return readGGUFTokenizer(**source);
}

int main(int argc, char **argv) {
  int64_t vocab = 1 << 20;
  if (argc < 2 || argc > 3 ||
      (argc == 3 && !llvm::to_integer(argv[2], vocab, 10)))
    return report(
        failure(ExitCode::Usage, "arguments = other, limit PATH [VOCAB]"));
  auto tokenizer = read(argv[1], vocab);
  if (!tokenizer)
    return report(tokenizer.takeError());
  if (!*tokenizer)
    return report(failure(ExitCode::Unsupported,
                          std::string(argv[1]) + ": tokenizer = absent"));
  auto section = tokenizerSection(**tokenizer);
  if (!section)
    return report(section.takeError());
  llvm::outs() << *section << '\n';
  return 0;
}
