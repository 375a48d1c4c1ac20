//===- TokenizerFile.cpp - The text of a tokenizer.json -------------------===//
#include "TokenizerFile.h"
#include "heddle/Import/HuggingFace.h"
#include "heddle/Import/SpanReader.h"
#include "heddle/Support/Error.h"

using nlohmann::json;

namespace heddle::import {

namespace {

constexpr size_t kDepthLimit = 64;
constexpr uint64_t kSizeLimit = uint64_t(256) << 20;

// Fills the lists as they are read (a tree of half a million merges takes a
// gigabyte), and a tree with the rest. A reader that returns false has said why
// in `error`.
class FileReader final : public json::json_sax_t {
public:
  explicit FileReader(TokenizerFile &file) : file(file) {}
  llvm::Error error = llvm::Error::success();

  bool null() override { return value(nullptr, "null"); }
  bool boolean(bool v) override { return value(v, v ? "true" : "false"); }
  bool number_integer(int64_t v) override {
    return value(v, std::to_string(v));
  }
  bool number_float(double v, const std::string &text) override {
    return value(v, text);
  }
  bool binary(json::binary_t &) override { return false; }
  bool number_unsigned(uint64_t v) override {
    if (list != List::Vocab || v > INT32_MAX)
      return value(v, std::to_string(v));
    file.vocab.emplace_back(std::move(name), static_cast<int64_t>(v));
    return true;
  }
  bool string(std::string &v) override {
    if (list == List::Merges)
      return merge(v);
    if (list != List::Pair)
      return value(std::move(v), "a string");
    if (++pairSize > 2)
      return mergeIsWrong("three tokens");
    (pairSize == 1 ? file.merges.back().first : file.merges.back().second) =
        std::move(v);
    return true;
  }
  bool start_object(size_t) override {
    if (list != List::None)
      return value(nullptr, "an object");
    if (inModel() && keys.back() == "vocab") {
      list = List::Vocab;
      return add(json::object());
    }
    return enter(json::object());
  }
  bool start_array(size_t) override {
    if (list == List::Merges) {
      list = List::Pair;
      pairSize = 0;
      file.merges.emplace_back();
      return true;
    }
    if (list != List::None)
      return value(nullptr, "an array");
    if (inModel() && keys.back() == "merges") {
      list = List::Merges;
      return add(json::array());
    }
    return enter(json::array());
  }
  bool end_object() override { return leave(); }
  bool end_array() override {
    if (list != List::Pair)
      return leave();
    list = List::Merges;
    return pairSize == 2 || mergeIsWrong(std::to_string(pairSize) + " tokens");
  }
  bool key(std::string &text) override {
    if (list == List::Vocab) {
      name = std::move(text);
      return true;
    }
    if (open.back()->contains(text))
      return fails(malformed(file.path, "key", import::quoted(text) + " twice",
                             "unique keys"));
    keys.back() = std::move(text);
    return true;
  }
  bool parse_error(size_t at, const std::string &,
                   const nlohmann::detail::exception &) override {
    return fails(malformed(file.path, "JSON",
                           "an error at byte " + llvm::Twine(at),
                           "the grammar of RFC 8259, UTF-8"));
  }

private:
  enum class List { None, Vocab, Merges, Pair };

  bool fails(llvm::Error e) {
    if (!error) // checks it, too
      error = std::move(e);
    else
      llvm::consumeError(std::move(e));
    return false;
  }
  bool inModel() const {
    return open.size() == 2 && keys[0] == "model" && open.back()->is_object();
  }
  bool mergeIsWrong(llvm::StringRef what) {
    return fails(malformed(
        file.path, "model.merges[" + llvm::Twine(file.merges.size() - 1) + "]",
        what, "two tokens"));
  }
  bool merge(llvm::StringRef text) {
    auto [left, right] = text.split(' ');
    file.merges.emplace_back(left.str(), right.str());
    return (!left.empty() && !right.empty() && !right.contains(' ')) ||
           mergeIsWrong(import::quoted(text));
  }
  bool value(json v, llvm::StringRef what) {
    if (list == List::Vocab)
      return fails(malformed(file.path,
                             "model.vocab[" + import::quoted(name) + "]", what,
                             "an id in [0, 2147483647]"));
    if (list != List::None) {
      if (list == List::Merges)
        file.merges.emplace_back();
      return mergeIsWrong(what);
    }
    return add(std::move(v));
  }
  bool add(json v) {
    if (open.empty())
      return fails(malformed(file.path, "JSON", "not an object", "one object"));
    if (open.back()->is_array())
      open.back()->push_back(std::move(v));
    else
      (*open.back())[keys.back()] = std::move(v);
    return true;
  }
  bool enter(json container) {
    if (open.size() == kDepthLimit)
      return fails(failure(ExitCode::Limit, file.path +
                                                ": nesting = deeper, limit " +
                                                std::to_string(kDepthLimit)));
    if (open.empty()) {
      if (!container.is_object())
        return add(nullptr);
      file.fields = std::move(container);
      open.push_back(&file.fields);
    } else {
      add(std::move(container));
      json &parent = *open.back();
      open.push_back(parent.is_array() ? &parent.back() : &parent[keys.back()]);
    }
    keys.emplace_back();
    return true;
  }
  bool leave() {
    if (list != List::None) {
      list = List::None;
      return true;
    }
    open.pop_back();
    keys.pop_back();
    return true;
  }

  TokenizerFile &file;
  std::vector<json *> open;      // containers of `fields`, innermost last
  std::vector<std::string> keys; // the last key of each
  List list = List::None;
  std::string name; // key in model.vocab
  int pairSize = 0;
};

} // namespace

llvm::Expected<std::optional<TokenizerFile>>
readTokenizerFile(llvm::StringRef directory, llvm::StringRef name) {
  std::string path = (directory.rtrim('/') + "/" + name).str();
  auto mapped = openModelFile(directory, name);
  if (!mapped)
    return mapped.takeError();
  if (!*mapped)
    return std::nullopt;
  llvm::ArrayRef<uint8_t> bytes = (*mapped)->bytes();
  if (bytes.size() > kSizeLimit)
    return failure(ExitCode::Limit,
                   path + ": size = " + std::to_string(bytes.size()) +
                       ", limit " + std::to_string(kSizeLimit));
  TokenizerFile file;
  file.path = path;
  FileReader reader(file);
  bool read = json::sax_parse(bytes.begin(), bytes.end(), &reader);
  if (reader.error)
    return std::move(reader.error);
  if (!read)
    return malformed(path, "JSON", "cut short", "one object");
  return std::optional<TokenizerFile>(std::move(file));
}

} // namespace heddle::import
