//===- Score.cpp - PROG score ---------------------------------------------===//

#include "Npy.h"
#include "Output.h"
#include "Run.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <cstdio>
#include <optional>

namespace heddle::rt {

std::vector<int32_t> readScored(const Program &program,
                                const Options &options) {
  int sources = options.tokens.has_value() + options.tokensFile.has_value() +
                options.textFile.has_value();
  if (sources != 1)
    fail(ExitCode::Usage, "inputs = " + std::to_string(sources) +
                              ", limit one of --tokens, --tokens-file and "
                              "--text-file");
  int64_t vocab = program.manifest().vocab;
  if (options.tokens)
    return parseTokens(*options.tokens, vocab);
  if (options.tokensFile)
    return readTokensNpy(*options.tokensFile, vocab);
  std::unique_ptr<Bpe> bpe = loadTokenizer(program);
  std::vector<int32_t> ids;
  if (bpe->addBos)
    ids.push_back(*bpe->bos);
  std::vector<int32_t> rest =
      encodeText(*bpe, readFile(*options.textFile), /*special=*/false);
  ids.insert(ids.end(), rest.begin(), rest.end());
  return ids;
}

int runScore(Program &program, const Options &options) {
  if (options.out.empty() && !options.nll)
    fail(ExitCode::Usage,
         "score: outputs = 0, limit --out=LOGITS.npy or --nll");
  const Manifest &manifest = program.manifest();
  std::vector<int32_t> tokens = readScored(program, options);
  size_t least = options.nll ? 2 : 1;
  if (tokens.size() < least)
    fail(ExitCode::Malformed, "tokens = " + std::to_string(tokens.size()) +
                                  ", limit at least " + std::to_string(least));
  int64_t chunk = options.chunk ? options.chunk : manifest.prefillTokens;
  int64_t most = std::max(manifest.prefillTokens, manifest.batchTokens);
  if (chunk > most) {
    printNote("chunk = " + std::to_string(chunk) + " lowered to " +
              std::to_string(most) + " (results do not depend on it)");
    chunk = most;
  }
  int64_t rows = std::min<int64_t>(chunk, tokens.size());
  Run run(program, options, tokens.size(), rows,
          tokens.size() * sizeof(int32_t) * 4);
  if (static_cast<int64_t>(tokens.size()) > run.session->context())
    fail(ExitCode::Limit, "tokens = " + std::to_string(tokens.size()) +
                              ", limit " +
                              std::to_string(run.session->context()) +
                              " (the context of this run)");

  std::optional<AtomicFile> file;
  if (!options.out.empty()) {
    file.emplace(options.out);
    std::string header = float32NpyHeader(tokens.size(), manifest.vocab);
    file->write(header.data(), header.size());
  }
  MeanNll mean;
  run.session->feedAll(
      tokens, chunk, [&](int64_t first, int64_t count, const float *logits) {
        if (file)
          file->write(logits, count * manifest.vocab * sizeof(float));
        for (int64_t row = 0; options.nll && row < count; ++row)
          if (first + row + 1 < static_cast<int64_t>(tokens.size()))
            mean.add(logits + row * manifest.vocab, manifest.vocab,
                     tokens[first + row + 1]);
      });
  if (file)
    file->commit();
  if (options.nll) {
    char line[64];
    int length = snprintf(line, sizeof(line), "%.9g\n", mean.value());
    printOut(std::string_view(line, length));
  }
  return 0;
}

} // namespace heddle::rt
