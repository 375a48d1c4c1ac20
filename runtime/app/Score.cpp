//===- Score.cpp - PROG score ---------------------------------------------===//

#include "Npy.h"
#include "Output.h"
#include "Run.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <cstdio>
#include <optional>

namespace heddle::rt {

namespace {

// One sequence of a table: what is no token is left out.
struct Sequence {
  std::vector<int32_t> ids;
  std::vector<int64_t> columns; // of the table, ascending
  size_t fed = 0;
};

std::vector<Sequence> sequencesOf(const TokenTable &table) {
  std::vector<Sequence> sequences(table.sequences());
  for (int64_t s = 0; s < table.sequences(); ++s)
    for (int64_t column = 0; column < table.length(); ++column)
      if (int32_t id = table.ids[s * table.length() + column]; id >= 0) {
        sequences[s].ids.push_back(id);
        sequences[s].columns.push_back(column);
      }
  return sequences;
}

// Logits of some rows of (sequences, length, vocab), and what they say of the
// tokens that follow.
class Scores {
public:
  Scores(const Options &options, const TokenTable &table, int64_t vocab)
      : nll(options.nll), length(table.length()), vocab(vocab) {
    if (options.out.empty())
      return;
    std::vector<int64_t> shape = table.shape;
    shape.push_back(vocab);
    std::string header = float32NpyHeader(shape);
    begin = header.size();
    file.emplace(options.out);
    file->write(header.data(), header.size());
    // Rows that nothing is written to, where there is no token, are zeros.
    file->resize(begin + table.ids.size() * rowBytes());
  }

  /// Logits of tokens [first, first + count) of sequence `s`.
  void add(int64_t s, const Sequence &sequence, size_t first, size_t count,
           const float *logits) {
    for (size_t i = first; i < first + count; ++i, logits += vocab) {
      if (file)
        file->writeAt(begin + (s * length + sequence.columns[i]) * rowBytes(),
                      logits, rowBytes());
      if (nll && i + 1 < sequence.ids.size())
        mean.add(logits, vocab, sequence.ids[i + 1]);
    }
  }

  void commit() {
    if (file)
      file->commit();
    if (!nll)
      return;
    char line[64];
    int size = snprintf(line, sizeof(line), "%.9g\n", mean.value());
    printOut(std::string_view(line, size));
  }

private:
  uint64_t rowBytes() const { return vocab * sizeof(float); }

  bool nll;
  int64_t length, vocab;
  uint64_t begin = 0;
  std::optional<AtomicFile> file;
  MeanNll mean;
};

} // namespace

TokenTable readScored(const Program &program, const Options &options) {
  int sources = options.tokens.has_value() + options.tokensFile.has_value() +
                options.textFile.has_value();
  if (sources != 1)
    fail(ExitCode::Usage, "inputs = " + std::to_string(sources) +
                              ", limit one of --tokens, --tokens-file and "
                              "--text-file");
  int64_t vocab = program.manifest().vocab;
  if (options.tokensFile)
    return readTokensNpy(*options.tokensFile, vocab);
  std::vector<int32_t> ids;
  if (options.tokens) {
    ids = parseTokens(*options.tokens, vocab);
  } else {
    std::unique_ptr<Bpe> bpe = loadTokenizer(program);
    if (bpe->addBos)
      ids.push_back(*bpe->bos);
    std::vector<int32_t> rest =
        encodeText(*bpe, readFile(*options.textFile), /*special=*/false);
    ids.insert(ids.end(), rest.begin(), rest.end());
  }
  return {{static_cast<int64_t>(ids.size())}, std::move(ids)};
}

int runScore(Program &program, const Options &options) {
  if (options.out.empty() && !options.nll)
    fail(ExitCode::Usage,
         "score: outputs = 0, limit --out=LOGITS.npy or --nll");
  const Manifest &manifest = program.manifest();
  TokenTable table = readScored(program, options);
  std::vector<Sequence> sequences = sequencesOf(table);
  size_t least = options.nll ? 2 : 1, longest = 0;
  for (const Sequence &sequence : sequences)
    longest = std::max(longest, sequence.ids.size());
  if (longest < least)
    fail(ExitCode::Malformed, "tokens = " + std::to_string(longest) +
                                  ", limit at least " + std::to_string(least));
  int64_t most = std::max(manifest.prefillTokens, manifest.batchTokens),
          side = table.sequences();
  if (side > most)
    fail(ExitCode::Limit, "sequences = " + std::to_string(side) + ", limit " +
                              std::to_string(most) + " at once");
  // Columns of the table that one step takes.
  int64_t widest = most / side,
          chunk = options.chunk
                      ? options.chunk
                      : std::max<int64_t>(1, manifest.prefillTokens / side);
  if (chunk > widest) {
    printNote("chunk = " + std::to_string(chunk) + " lowered to " +
              std::to_string(widest) + " (results do not depend on it)");
    chunk = widest;
  }
  int64_t rows = std::min(chunk, table.length()) * side;
  Run run(program, options, longest, rows,
          table.ids.size() * (sizeof(int32_t) * 4 + sizeof(int64_t)), side);
  Session &session = *run.session;
  if (static_cast<int64_t>(longest) > session.context())
    fail(ExitCode::Limit, "tokens = " + std::to_string(longest) + ", limit " +
                              std::to_string(session.context()) +
                              " (the context of this run)");
  Scores scores(options, table, manifest.vocab);
  for (int64_t end = chunk; end - chunk < table.length(); end += chunk) {
    std::vector<Session::Piece> pieces;
    for (int64_t s = 0; s < side; ++s) {
      const Sequence &sequence = sequences[s];
      auto columns = std::span(sequence.columns).subspan(sequence.fed);
      size_t count = std::lower_bound(columns.begin(), columns.end(), end) -
                     columns.begin();
      if (count)
        pieces.push_back(
            {s, std::span(sequence.ids).subspan(sequence.fed, count)});
    }
    if (pieces.empty())
      continue;
    const float *logits = session.feedTogether(pieces);
    for (const auto &[s, tokens] : pieces) {
      scores.add(s, sequences[s], sequences[s].fed, tokens.size(), logits);
      sequences[s].fed += tokens.size();
      logits += static_cast<int64_t>(tokens.size()) * manifest.vocab;
    }
  }
  scores.commit();
  return 0;
}

} // namespace heddle::rt
