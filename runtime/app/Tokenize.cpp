//===- Tokenize.cpp - PROG tokenize and PROG detokenize -------------------===//

#include "Output.h"
#include "Run.h"
#include "Utf8.h"
#include "heddle/runtime/Failure.h"
#include <nlohmann/json.hpp>

namespace heddle::rt {

namespace {

std::string joined(const std::vector<int32_t> &ids) {
  std::string line;
  for (int32_t id : ids)
    line += (line.empty() ? "" : ",") + std::to_string(id);
  return line + "\n";
}

std::string idsLine(Bpe &bpe, const std::string &text, const Options &options) {
  std::vector<int32_t> ids;
  if (options.special && bpe.bos)
    ids.push_back(*bpe.bos);
  std::vector<int32_t> rest = encodeText(bpe, text, options.special);
  ids.insert(ids.end(), rest.begin(), rest.end());
  return joined(ids);
}

void tokenizeLines(Bpe &bpe, const std::string &input, const Options &options) {
  size_t number = 0;
  std::string output;
  for (size_t at = 0; at < input.size();) {
    size_t end = std::min(input.find('\n', at), input.size());
    ++number;
    // Bad UTF-8 inside a string becomes U+FFFD, as in plain text.
    auto value = nlohmann::json::parse(
        sanitizeUtf8(std::string_view(input).substr(at, end - at)), nullptr,
        /*allow_exceptions=*/false);
    if (!value.is_string())
      fail(ExitCode::Malformed, options.textFile.value_or("standard input") +
                                    ": line " + std::to_string(number) +
                                    " = not a JSON string, limit one JSON "
                                    "string a line");
    output += idsLine(bpe, value.get_ref<const std::string &>(), options);
    if (output.size() > (size_t(1) << 16)) {
      printOut(output);
      output.clear();
    }
    at = end + 1;
  }
  printOut(output);
}

} // namespace

int runTokenize(Program &program, const Options &options) {
  int sources = options.text.has_value() + options.textFile.has_value() +
                options.messagesFile.has_value();
  if (sources > 1)
    fail(ExitCode::Usage, "inputs = " + std::to_string(sources) +
                              ", limit one of TEXT, --file and "
                              "--messages-file");
  if (options.messagesFile && options.lines)
    fail(ExitCode::Usage, "--lines = given, limit none with --messages-file");
  std::unique_ptr<Bpe> bpe = loadTokenizer(program);
  if (options.messagesFile) {
    Conversation conversation = readConversation(options);
    printOut(joined(
        encodeConversation(*bpe, needTemplate(program, *bpe), conversation)));
    return 0;
  }
  std::string text = options.text       ? *options.text
                     : options.textFile ? readFile(*options.textFile)
                                        : readInput();
  if (options.lines)
    tokenizeLines(*bpe, text, options);
  else
    printOut(idsLine(*bpe, text, options));
  return 0;
}

int runDetokenize(Program &program, const Options &options) {
  if (!options.tokens)
    fail(ExitCode::Usage,
         "detokenize: --tokens = absent, limit --tokens=1,2,3");
  std::unique_ptr<Bpe> bpe = loadTokenizer(program);
  TextStream stream;
  std::string text;
  if (!options.tokens->empty())
    for (int32_t id : parseTokens(*options.tokens, program.manifest().vocab))
      text += stream.add(bpe->bytes(id));
  text += stream.finish();
  if (bpe->addsSpace() && text[0] == ' ')
    text.erase(0, 1);
  if (outputIsTerminal())
    text += "\n";
  printOut(text);
  return 0;
}

} // namespace heddle::rt
