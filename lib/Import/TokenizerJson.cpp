//===- TokenizerJson.cpp - A Hugging Face tokenizer.json ------------------===//
//
// The parts that are known are those of
// https://huggingface.co/docs/tokenizers/api.
//
//===----------------------------------------------------------------------===//
#include "PreTokenizers.h"
#include "TokenIndex.h"
#include "TokenizerFile.h"
#include "heddle/Import/HuggingFace.h"
#include "heddle/Import/SpanReader.h"
#include "heddle/Import/Tokenizer.h"
#include "llvm/ADT/StringExtras.h"
#include <fmt/format.h>

using nlohmann::json;

namespace heddle::import {

namespace {

constexpr char kSpace[] = "\u2581"; // SentencePiece's sign for a space

// <0xNN>
bool isByteToken(llvm::StringRef text) {
  return text.size() == 6 && text.consume_front("<0x") &&
         text.consume_back(">") && llvm::all_of(text, [](char c) {
           return llvm::isDigit(c) || (c >= 'A' && c <= 'F');
         });
}

/// Reads typed fields of one file; the first that is wrong is kept as an error,
/// those that are not supported are collected.
class Fields {
public:
  explicit Fields(std::string path) : path(std::move(path)) {}

  std::string path;
  std::string wrong; // message of the first malformed field
  std::vector<std::string> unsupported;

  void malformed(const std::string &field, const std::string &value,
                 const std::string &limit) {
    if (wrong.empty())
      wrong = fmt::format("{}: {} = {}, limit {}", path, field, value, limit);
  }
  void refuse(const std::string &field, const std::string &value) {
    unsupported.push_back(field + " = " + value);
  }

  /// A value for a message: short, printable.
  static std::string shown(const json &value) {
    if (value.is_string())
      return import::quoted(value.get_ref<const std::string &>());
    return value.is_structured()
               ? (value.is_object() ? "an object" : "an array")
               : value.dump(-1, ' ', true, json::error_handler_t::replace);
  }

  static const json *find(const json &object, const char *name) {
    auto it = object.is_object() ? object.find(name) : object.end();
    return !object.is_object() || it == object.end() || it->is_null() ? nullptr
                                                                      : &*it;
  }
  bool boolean(const json &object, const std::string &at, const char *name,
               bool fallback = false) {
    const json *value = find(object, name);
    if (value && !value->is_boolean())
      malformed(at + name, shown(*value), "true or false");
    return value && value->is_boolean() ? value->get<bool>() : fallback;
  }
  std::string string(const json &object, const std::string &at,
                     const char *name) {
    const json *value = find(object, name);
    if (value && value->is_string())
      return value->get<std::string>();
    malformed(at + name, value ? shown(*value) : "absent", "a string");
    return "";
  }
  /// The elements of an array; none if it is something else.
  const json &array(const json &object, const std::string &at,
                    const char *name) {
    static const json none = json::array();
    const json *value = find(object, name);
    if (value && value->is_array())
      return *value;
    malformed(at + name, value ? shown(*value) : "absent", "an array");
    return none;
  }

  llvm::Error error() const {
    if (!wrong.empty())
      return failure(ExitCode::Malformed, wrong);
    if (!unsupported.empty())
      return failure(ExitCode::Unsupported,
                     path + ": " + llvm::join(unsupported, "; ") +
                         ": not supported",
                     "a directory without tokenizer.json compiles; "
                     "`--tokens=1,2,3` needs no tokenizer");
    return llvm::Error::success();
  }
};

class Reader {
public:
  Reader(TokenizerFile &file, int64_t vocab)
      : file(file), fields(file.path), vocab(vocab) {}

  llvm::Expected<Tokenizer> read() {
    readModel();
    if (fields.wrong.empty()) {
      readNormalizer(field("normalizer"), "normalizer");
      readPreTokenizer(field("pre_tokenizer"), "pre_tokenizer", true);
      checkKind();
      readPostProcessor(field("post_processor"), "post_processor");
      readDecoder(field("decoder"), "decoder");
      readTokens();
    }
    if (auto error = fields.error())
      return std::move(error);
    TokenIndex index(out.tokens);
    out.merges.reserve(file.merges.size());
    for (auto [rank, pair] : llvm::enumerate(file.merges)) {
      auto merge = index.merge(file.path, fmt::format("model.merges[{}]", rank),
                               pair.first, pair.second, rank);
      if (!merge)
        return merge.takeError();
      out.merges.push_back(*merge);
    }
    if (!unknown.empty()) {
      out.unknown = index.find(unknown);
      if (!out.unknown)
        return malformed(file.path, "model.unk_token", import::quoted(unknown),
                         "a token of the vocabulary");
    }
    auto named = [&](const std::string &text, const char *where,
                     std::optional<int64_t> &id) -> llvm::Error {
      id = text.empty() ? std::nullopt : index.find(text);
      return text.empty() || id
                 ? llvm::Error::success()
                 : malformed(file.path, where, import::quoted(text),
                             "a token of the vocabulary");
    };
    bool addsBos = !bos.token.empty(), addsEos = !eos.token.empty();
    out.addBos = config.bos.adds.value_or(addsBos);
    out.addEos = config.eos.adds.value_or(addsEos);
    // What the post-processor adds is what is added, whatever the file calls
    // it.
    if (!config.bos.token.empty() && (config.bos.adds || !addsBos))
      bos.token = config.bos.token;
    if (!config.eos.token.empty() && (config.eos.adds || !addsEos))
      eos.token = config.eos.token;
    std::optional<int64_t> end;
    if (auto error = named(bos.token, "bos_token", out.bos))
      return std::move(error);
    if (auto error = named(eos.token, "eos_token", end))
      return std::move(error);
    if (end)
      out.eos = {*end};
    for (auto [adds, id, name] : {std::tuple{out.addBos, out.bos, "bos_token"},
                                  {out.addEos, end, "eos_token"}})
      if (adds && !id)
        return malformed(file.path, name, "absent, but added",
                         "a token of the vocabulary");
    return std::move(out);
  }

  void setChatTemplate(llvm::StringRef text, const std::string &path) {
    out.chatTemplate = text.str();
    out.chatSource = path;
  }

  /// Names of tokens and what is added, from tokenizer_config.json: it
  /// overrides what the post-processor adds, as it does in the library.
  llvm::Error readConfig(const json &from, const std::string &path) {
    Fields in(path);
    for (auto [name, end] : {std::pair{std::string("bos_token"), &config.bos},
                             {"eos_token", &config.eos}}) {
      if (const json *token = Fields::find(from, name.c_str()))
        end->token = token->is_object()
                         ? in.string(*token, name + ".", "content")
                         : in.string(from, "", name.c_str());
      if (std::string adds = "add_" + name; Fields::find(from, adds.c_str()))
        end->adds = in.boolean(from, "", adds.c_str());
    }
    if (const json *chat = Fields::find(from, "chat_template")) {
      if (chat->is_string())
        out.chatTemplate = chat->get<std::string>();
      else
        for (const json &entry : in.array(from, "", "chat_template"))
          if (in.string(entry, "chat_template[].", "name") == "default")
            out.chatTemplate = in.string(entry, "chat_template[].", "template");
      out.chatSource = path + ": chat_template";
    }
    return in.error();
  }

private:
  const json &field(const char *name) const {
    static const json none;
    const json *value = Fields::find(file.fields, name);
    return value ? *value : none;
  }

  void readModel() {
    const json &model = field("model");
    if (!model.is_object())
      return fields.malformed("model", Fields::shown(model), "an object");
    std::string type = Fields::find(model, "type")
                           ? fields.string(model, "model.", "type")
                           : "BPE";
    if (type != "BPE")
      return fields.refuse("model.type", import::quoted(type));
    const json *words = Fields::find(model, "vocab");
    if (!words || !words->is_object() || file.vocab.empty())
      return fields.malformed(
          "model.vocab",
          words && !words->is_object() ? Fields::shown(*words) : "no tokens",
          "tokens and ids");
    (void)fields.array(model, "model.", "merges");
    for (const char *name : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (const json *value = Fields::find(model, name); value && *value != "")
        fields.refuse(std::string("model.") + name, Fields::shown(*value));
    if (const json *dropout = Fields::find(model, "dropout");
        dropout && *dropout != 0)
      fields.refuse("model.dropout", Fields::shown(*dropout));
    if (Fields::find(model, "unk_token"))
      unknown = fields.string(model, "model.", "unk_token");
    out.byteFallback = fields.boolean(model, "model.", "byte_fallback");
    out.fuseUnknown = fields.boolean(model, "model.", "fuse_unk");
    out.ignoreMerges = fields.boolean(model, "model.", "ignore_merges");
  }

  void readNormalizer(const json &part, const std::string &at) {
    if (part.is_null())
      return;
    std::string type = fields.string(part, at + ".", "type");
    if (type == "Sequence") {
      const json &parts = fields.array(part, at + ".", "normalizers");
      for (size_t i = 0; i < parts.size(); ++i)
        readNormalizer(parts[i], fmt::format("{}[{}]", at, i));
    } else if (type == "NFC") {
      out.nfc = true;
    } else if (type == "NFKC" && !replaces && !prepends) {
      // It makes spaces, which what stands before would not have seen.
      out.nfkc = true;
    } else if (type == "Prepend" && !replaces &&
               out.prefix == Tokenizer::Prefix::Never) {
      if (std::string text = fields.string(part, at + ".", "prepend");
          text != kSpace)
        return fields.refuse(at + ".prepend", import::quoted(text));
      out.prefix = Tokenizer::Prefix::Always;
      prepends = true;
    } else if (type == "Replace") {
      const json *pattern = Fields::find(part, "pattern");
      const json *text = pattern ? Fields::find(*pattern, "String") : nullptr;
      if (!text || *text != " " ||
          fields.string(part, at + ".", "content") != kSpace)
        return fields.refuse(at, "Replace other than ' ' by U+2581");
      replaces = true;
    } else if (fields.wrong.empty()) {
      fields.refuse(at + ".type", import::quoted(type));
    }
  }

  // `last`: nothing comes after this part.
  void readPreTokenizer(const json &part, const std::string &at, bool last) {
    if (part.is_null())
      return;
    std::string type = fields.string(part, at + ".", "type");
    if (type == "Sequence") {
      const json &parts = fields.array(part, at + ".", "pretokenizers");
      for (size_t i = 0; i < parts.size(); ++i)
        readPreTokenizer(parts[i], fmt::format("{}[{}]", at, i),
                         last && i + 1 == parts.size());
    } else if (type == "Split") {
      readSplit(part, at);
    } else if (type == "Digits") {
      out.pre.push_back(fields.boolean(part, at + ".", "individual_digits")
                            ? "digit-std"
                            : "digits-std");
    } else if (type == "ByteLevel" && last) {
      byteLevel = true;
      if (fields.boolean(part, at + ".", "add_prefix_space", true))
        fields.refuse(at + ".add_prefix_space", "true");
      if (fields.boolean(part, at + ".", "use_regex", true))
        out.pre.push_back("gpt2");
    } else if (type == "Metaspace" && last && out.pre.empty() && !replaces &&
               !prepends) {
      readMetaspace(part, at);
    } else if (fields.wrong.empty()) {
      fields.refuse(at + ".type",
                    import::quoted(type) + (last ? "" : " before others"));
    }
  }

  void readSplit(const json &part, const std::string &at) {
    const json *pattern = Fields::find(part, "pattern");
    if (!pattern || !pattern->is_object())
      return fields.malformed(at + ".pattern",
                              pattern ? Fields::shown(*pattern) : "absent",
                              "an object");
    if (!pattern->contains("Regex"))
      return fields.refuse(at + ".pattern", "not a Regex");
    std::string regex = fields.string(*pattern, at + ".pattern.", "Regex");
    std::string behavior = fields.string(part, at + ".", "behavior");
    bool invert = fields.boolean(part, at + ".", "invert");
    if (!fields.wrong.empty())
      return;
    const KnownPattern *known = findPattern(regex);
    if (!known)
      return fields.refuse(at + ".pattern.Regex", import::quoted(regex));
    // Inverted, what the pattern does not match is removed: nothing, if it
    // covers all.
    bool isolated = behavior == "Isolated" && !invert;
    if (!isolated && !(behavior == "Removed" && invert && known->covers))
      return fields.refuse(at + ".behavior", import::quoted(behavior) +
                                                 (invert ? " inverted" : ""));
    // `$` is the end of any line where others than newlines may follow.
    if (known->stage == llvm::StringRef("spaces-end") &&
        (out.pre.empty() || out.pre[0] != "newline"))
      return fields.refuse(at + ".pattern.Regex",
                           import::quoted(regex) +
                               " with newlines in the text");
    out.pre.push_back(known->stage);
  }

  void readMetaspace(const json &part, const std::string &at) {
    if (std::string text = fields.string(part, at + ".", "replacement");
        text != kSpace)
      return fields.refuse(at + ".replacement", import::quoted(text));
    std::string scheme =
        fields.boolean(part, at + ".", "add_prefix_space", true) ? "always"
                                                                 : "never";
    if (Fields::find(part, "prepend_scheme"))
      scheme = fields.string(part, at + ".", "prepend_scheme");
    if (scheme != "never" && scheme != "first" && scheme != "always")
      return fields.malformed(at + ".prepend_scheme", import::quoted(scheme),
                              "always, first or never");
    out.prefix = scheme == "never"   ? Tokenizer::Prefix::Never
                 : scheme == "first" ? Tokenizer::Prefix::First
                                     : Tokenizer::Prefix::Always;
    out.prefixIfAbsent = true;
    out.splitSpaces = fields.boolean(part, at + ".", "split", true);
    metaspace = true;
  }

  void checkKind() {
    bool spaces = replaces || metaspace;
    if (fields.wrong.empty() && fields.unsupported.empty() &&
        (byteLevel == spaces || (byteLevel && prepends) ||
         (spaces && !out.pre.empty())))
      fields.refuse("pre_tokenizer",
                    byteLevel ? "ByteLevel on replaced spaces"
                              : "neither ByteLevel nor spaces as U+2581");
    if (byteLevel && out.byteFallback)
      fields.refuse("model.byte_fallback", "true with ByteLevel");
    out.model = byteLevel ? "gpt2" : "llama";
  }

  void readPostProcessor(const json &part, const std::string &at) {
    if (part.is_null())
      return;
    std::string type = fields.string(part, at + ".", "type");
    if (type == "Sequence") {
      const json &parts = fields.array(part, at + ".", "processors");
      for (size_t i = 0; i < parts.size(); ++i)
        readPostProcessor(parts[i], fmt::format("{}[{}]", at, i));
    } else if (type == "TemplateProcessing") {
      bool seen = false; // the text itself
      for (const json &piece : fields.array(part, at + ".", "single")) {
        if (const json *token = Fields::find(piece, "SpecialToken")) {
          std::string id =
              fields.string(*token, at + ".single[].SpecialToken.", "id");
          End &end = seen ? eos : bos;
          if (!end.token.empty())
            fields.refuse(at + ".single", "several tokens beside the text");
          end.token = id;
        } else {
          seen = true;
        }
      }
    } else if (type != "ByteLevel" && fields.wrong.empty()) {
      fields.refuse(at + ".type", import::quoted(type));
    }
  }

  void readDecoder(const json &part, const std::string &at) {
    if (part.is_null())
      return;
    std::string type = fields.string(part, at + ".", "type");
    if (type == "Sequence") {
      const json &parts = fields.array(part, at + ".", "decoders");
      for (size_t i = 0; i < parts.size(); ++i)
        readDecoder(parts[i], fmt::format("{}[{}]", at, i));
      return;
    }
    static constexpr llvm::StringLiteral spaces[] = {
        "Replace", "ByteFallback", "Fuse", "Strip", "Metaspace"};
    if (fields.wrong.empty() &&
        (byteLevel ? type != "ByteLevel" : !llvm::is_contained(spaces, type)))
      fields.refuse(at + ".type", import::quoted(type));
  }

  // Puts the words and the added tokens under their ids.
  void readTokens() {
    llvm::StringMap<int64_t> ids(file.vocab.size());
    auto put = [&](const std::string &text, int64_t id,
                   const std::string &where) {
      if (id < 0 || id >= vocab)
        return fields.malformed(
            where, std::to_string(id),
            fmt::format("{}, the model's vocabulary", vocab));
      if (id >= int64_t(out.tokens.size())) {
        out.tokens.resize(id + 1);
        out.types.resize(id + 1, TokenType::Unused);
      }
      auto [it, fresh] = ids.try_emplace(text, id);
      if (it->second != id || (fresh && out.types[id] != TokenType::Unused))
        return fields.malformed(where, std::to_string(id),
                                "one token an id and one id a token");
      out.tokens[id] = text;
      out.types[id] = out.byteFallback && isByteToken(text) ? TokenType::Byte
                                                            : TokenType::Normal;
    };
    for (auto &[text, id] : file.vocab) {
      if (ids.contains(text))
        fields.malformed("model.vocab[" + import::quoted(text) + "]", "twice",
                         "unique keys");
      put(text, id, "model.vocab[" + import::quoted(text) + "]");
    }
    if (!Fields::find(file.fields, "added_tokens"))
      return;
    std::vector<bool> seen;
    const json &added = fields.array(file.fields, "", "added_tokens");
    for (size_t i = 0; i < added.size() && fields.wrong.empty(); ++i) {
      std::string at = fmt::format("added_tokens[{}].", i);
      std::string text = fields.string(added[i], at, "content");
      const json *id = Fields::find(added[i], "id");
      if (!id || !id->is_number_unsigned() || *id > INT32_MAX)
        fields.malformed(at + "id", id ? Fields::shown(*id) : "absent",
                         "an id in [0, 2147483647]");
      else if (text.empty())
        fields.malformed(at + "content", "''", "a text");
      else
        put(text, id->get<int64_t>(), at + "id");
      bool special = fields.boolean(added[i], at, "special"),
           lstrip = fields.boolean(added[i], at, "lstrip"),
           rstrip = fields.boolean(added[i], at, "rstrip"),
           normalized = fields.boolean(added[i], at, "normalized", !special);
      if (fields.boolean(added[i], at, "single_word"))
        fields.refuse(at + "single_word", "true");
      if (!fields.wrong.empty())
        return;
      int64_t token = id->get<int64_t>();
      seen.resize(out.tokens.size());
      if (seen[token])
        return fields.malformed(at + "id", std::to_string(token), "unique ids");
      seen[token] = true;
      out.types[token] = special ? TokenType::Control : TokenType::UserDefined;
      if (lstrip || rstrip || normalized)
        out.matching.push_back({token, lstrip, rstrip, normalized});
    }
  }

  TokenizerFile &file;
  Fields fields;
  int64_t vocab;
  Tokenizer out;
  struct End {
    std::string token;
    std::optional<bool> adds;
  };
  struct {
    End bos, eos;
  } config;     // tokenizer_config.json's
  End bos, eos; // the post-processor's
  std::string unknown;
  bool byteLevel = false, replaces = false, prepends = false, metaspace = false;
};

} // namespace

llvm::Expected<std::optional<Tokenizer>>
readTokenizerJson(llvm::StringRef directory, int64_t vocab) {
  auto file = readTokenizerFile(directory, "tokenizer.json");
  if (!file)
    return file.takeError();
  if (!*file)
    return std::nullopt;
  Reader reader(**file, vocab);
  auto config = readTokenizerFile(directory, "tokenizer_config.json");
  if (!config)
    return config.takeError();
  if (*config)
    if (auto error = reader.readConfig((*config)->fields, (*config)->path))
      return std::move(error);
  // Goes before the one in tokenizer_config.json, as in transformers.
  auto chat = openModelFile(directory, "chat_template.jinja");
  if (!chat)
    return chat.takeError();
  if (*chat) {
    std::string path = (directory.rtrim('/') + "/chat_template.jinja").str();
    llvm::StringRef text = llvm::toStringRef((*chat)->bytes());
    constexpr size_t kMost = 1 << 20; // more than the compiler of them takes
    if (text.size() > kMost)
      return failure(ExitCode::Limit, fmt::format("{}: size = {}, limit {}",
                                                  path, text.size(), kMost));
    reader.setChatTemplate(text, path);
  }
  auto tokenizer = reader.read();
  if (!tokenizer)
    return tokenizer.takeError();
  return std::optional<Tokenizer>(std::move(*tokenizer));
}

} // namespace heddle::import
