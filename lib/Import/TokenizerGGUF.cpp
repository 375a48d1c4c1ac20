//===- TokenizerGGUF.cpp - The tokenizer in a GGUF file's metadata --------===//
//
// Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, "Tokenizer".
//
//===----------------------------------------------------------------------===//
#include "PreTokenizers.h"
#include "TokenIndex.h"
#include "heddle/Import/SpanReader.h"
#include "heddle/Import/Tokenizer.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>
#include <fmt/format.h>

namespace heddle::import {

namespace {

// SentencePiece's own are at most 16 characters; all cuts of a token are looked
// up.
constexpr size_t kLongestPiece = 1024;

class Reader {
public:
  Reader(const ModelSource &source, const std::vector<std::string> &tokens)
      : source(source) {
    out.tokens = tokens;
  }

  llvm::Expected<Tokenizer> read() {
    if (auto error = readFields())
      return std::move(error);
    if (out.model == "gpt2") {
      if (auto error = readByteLevel())
        return std::move(error);
    } else if (out.model == "llama") {
      if (auto error = readSentencePiece())
        return std::move(error);
    }
    return std::move(out);
  }

private:
  static std::string key(llvm::StringRef name) {
    return "tokenizer.ggml." + name.str();
  }

  template <typename T> const std::vector<T> *list(llvm::StringRef name) const {
    const MetaValue *value = source.findMeta(key(name));
    return value ? std::get_if<std::vector<T>>(value) : nullptr;
  }

  llvm::Error flag(llvm::StringRef name, bool fallback, bool &value) {
    auto read = source.getBool(key(name), fallback);
    if (!read)
      return read.takeError();
    value = *read;
    return llvm::Error::success();
  }

  llvm::Error readFields() {
    int64_t count = out.tokens.size();
    auto model = source.getString(key("model")),
         chat = source.getString("tokenizer.chat_template", "");
    if (!model || !chat)
      return llvm::joinErrors(model.takeError(), chat.takeError());
    out.model = *model;
    out.chatTemplate = *chat;
    out.chatSource = source.metadataFile().str() + ": tokenizer.chat_template";
    out.types.assign(count, TokenType::Normal);
    if (const auto *types = list<int64_t>("token_type")) {
      if (int64_t(types->size()) != count)
        return malformed(source.path, key("token_type"),
                         fmt::format("{} types", types->size()),
                         fmt::format("{}, one a token", count));
      for (auto [i, type] : llvm::enumerate(*types)) {
        if (type < 0 || type > int64_t(TokenType::Byte))
          return malformed(source.path,
                           fmt::format("{}[{}]", key("token_type"), i),
                           llvm::Twine(type), "types 0 to 6");
        out.types[i] = TokenType(type);
      }
    }
    std::optional<int64_t> eos;
    for (auto [name, id] : {std::pair{"bos", &out.bos},
                            {"eos", &eos},
                            {"unknown", &out.unknown},
                            {"padding", &out.padding}}) {
      std::string full = key(name) + "_token_id";
      if (!source.findMeta(full))
        continue;
      auto value = source.getInt(full, 0, count - 1);
      if (!value)
        return value.takeError();
      *id = *value;
    }
    if (eos)
      out.eos = {*eos};
    return llvm::Error::success();
  }

  llvm::Error readEnds(bool addBos) {
    if (auto error = flag("add_bos_token", addBos, out.addBos))
      return error;
    out.addBos &= out.bos.has_value() || source.findMeta(key("add_bos_token"));
    if (out.addBos && !out.bos)
      return malformed(source.path, key("add_bos_token"), "true",
                       "a file with a bos_token_id");
    return flag("add_eos_token", false, out.addEos);
  }

  llvm::Error readByteLevel() {
    auto name = source.getString(key("pre"), "default");
    if (!name)
      return name.takeError();
    const KnownPre *pre = findPre(*name);
    out.pre = pre ? pre->stages : std::vector<std::string>{*name};
    out.ignoreMerges = pre && pre->ignoreMerges;
    if (auto error = readEnds(pre && pre->addBos))
      return error;
    const auto *rules = list<std::string>("merges");
    if (!rules)
      return malformed(source.path, key("merges"), "absent",
                       "an array of strings");
    TokenIndex index(out.tokens);
    for (auto [rank, rule] : llvm::enumerate(*rules)) {
      std::string field = fmt::format("{}[{}]", key("merges"), rank);
      // Spaces are written in the alphabet, so the first one separates.
      size_t space = rule.find(' ', 1);
      if (space == std::string::npos)
        return malformed(source.path, field, import::quoted(rule),
                         "two tokens");
      llvm::StringRef text = rule;
      auto merge = index.merge(source.path, field, text.take_front(space),
                               text.drop_front(space + 1), rank);
      if (!merge)
        return merge.takeError();
      out.merges.push_back(*merge);
    }
    return llvm::Error::success();
  }

  // Any two tokens that make a third may merge, the best score first: the rank
  // of a merge is that of the score of what it makes.
  llvm::Error readSentencePiece() {
    bool prefix = true;
    if (auto error = llvm::joinErrors(readEnds(true),
                                      flag("add_space_prefix", true, prefix)))
      return error;
    out.prefix = prefix ? Tokenizer::Prefix::Always : Tokenizer::Prefix::Never;
    out.byteFallback = llvm::is_contained(out.types, TokenType::Byte);
    out.fuseUnknown = true;
    const auto *scores = list<double>("scores");
    if (!scores || scores->size() != out.tokens.size())
      return malformed(source.path, key("scores"),
                       scores ? fmt::format("{} scores", scores->size())
                              : "absent",
                       fmt::format("{}, one a token", out.tokens.size()));
    std::vector<double> best;
    for (auto [i, score] : llvm::enumerate(*scores)) {
      if (std::isnan(score))
        return malformed(source.path, fmt::format("{}[{}]", key("scores"), i),
                         "NaN", "a number");
      best.push_back(score);
    }
    llvm::sort(best, std::greater<>());
    best.erase(llvm::unique(best), best.end());
    TokenIndex index(out.tokens);
    for (auto [id, text] : llvm::enumerate(out.tokens)) {
      if (out.types[id] != TokenType::Normal || index.find(text) != int64_t(id))
        continue;
      if (text.size() > kLongestPiece)
        return failure(ExitCode::Limit,
                       fmt::format("{}: {}[{}] = {} bytes, limit {}",
                                   source.path, key("tokens"), id, text.size(),
                                   kLongestPiece));
      int64_t rank = llvm::lower_bound(best, (*scores)[id], std::greater<>()) -
                     best.begin();
      for (size_t cut = 1; cut < text.size(); ++cut) {
        auto left = index.find(llvm::StringRef(text).take_front(cut));
        auto right = left ? index.find(llvm::StringRef(text).drop_front(cut))
                          : std::nullopt;
        if (right && joins(*left) && joins(*right))
          out.merges.push_back({*left, *right, int64_t(id), rank});
      }
    }
    return llvm::Error::success();
  }

  bool joins(int64_t id) const { return out.types[id] == TokenType::Normal; }

  const ModelSource &source;
  Tokenizer out;
};

} // namespace

llvm::Expected<std::optional<Tokenizer>>
readGGUFTokenizer(const ModelSource &source) {
  const MetaValue *tokens = source.findMeta("tokenizer.ggml.tokens");
  if (!tokens)
    return std::nullopt;
  const auto *texts = std::get_if<std::vector<std::string>>(tokens);
  if (!texts || texts->empty())
    return malformed(source.path, "tokenizer.ggml.tokens",
                     texts ? "no tokens" : "another type",
                     "an array of strings");
  auto tokenizer = Reader(source, *texts).read();
  if (!tokenizer)
    return tokenizer.takeError();
  return std::optional<Tokenizer>(std::move(*tokenizer));
}

} // namespace heddle::import
