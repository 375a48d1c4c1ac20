//===- Bpe.cpp - Byte-level byte-pair encoding ----------------------------===//

#include "Bpe.h"
#include "Utf8.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#define XXH_INLINE_ALL
#include <xxhash.h>

using nlohmann::json;

namespace heddle::rt {

namespace {

// GGUF token types.
enum : uint8_t { kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5 };

[[noreturn]] void bad(const std::string &what) {
  fail(ExitCode::Malformed, "tokenizer: " + what);
}

// The byte that a character of GPT-2's alphabet stands for, or -1: printable
// Latin-1 stands for itself, the other 68 bytes follow from U+0100 in order.
int byteOf(uint32_t codePoint) {
  auto printable = [](uint32_t b) {
    return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) ||
           (b >= 0xae && b <= 0xff);
  };
  if (codePoint < 0x100)
    return printable(codePoint) ? static_cast<int>(codePoint) : -1;
  uint32_t index = codePoint - 0x100;
  for (uint32_t b = 0; b < 0x100; ++b)
    if (!printable(b) && index-- == 0)
      return static_cast<int>(b);
  return -1;
}

// Bytes of a token written in the alphabet; false if it has another character.
bool decodeAlphabet(std::string_view token, std::string &bytes) {
  static const std::vector<int> table = [] {
    std::vector<int> t(0x144);
    for (uint32_t c = 0; c < t.size(); ++c)
      t[c] = byteOf(c);
    return t;
  }();
  bytes.clear();
  for (size_t at = 0; at < token.size();) {
    if (auto c = static_cast<unsigned char>(token[at]); c < 0x80) {
      if (table[c] < 0)
        return false;
      bytes += token[at++];
      continue;
    }
    Utf8Step step = readUtf8(token, at);
    int byte = step.valid && step.codePoint < table.size()
                   ? table[step.codePoint]
                   : -1;
    if (byte < 0)
      return false;
    bytes += static_cast<char>(byte);
    at += step.length;
  }
  return true;
}

int32_t readId(const json &value, const char *field, size_t limit) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() >= limit)
    bad(std::string(field) + " = " + value.dump() + ", limit " +
        std::to_string(limit - 1));
  return value.get<int32_t>();
}

std::optional<int32_t> optionalId(const json &root, const char *field,
                                  size_t limit) {
  auto it = root.find(field);
  if (it == root.end() || it->is_null())
    return std::nullopt;
  return readId(*it, field, limit);
}

bool flag(const json &root, const char *field) {
  auto it = root.find(field);
  if (it == root.end() || it->is_null())
    return false;
  if (!it->is_boolean())
    bad(std::string(field) + " = " + it->dump() + ", limit true or false");
  return it->get<bool>();
}

// An array of strings as it is read; `problem` says what else was found.
struct StringsField {
  Strings values;
  std::string problem = " = absent";

  void begin() {
    values = {};
    problem.clear();
  }
  void check(const char *field) const {
    if (!problem.empty())
      bad(std::string(field) + problem + ", limit " +
          (problem[0] == '[' ? "a string" : "an array of strings"));
  }
};

// Reads the section into flat tables: a tree of a hundred thousand strings
// takes longer than the first token. `fields` gets the small fields.
class SectionReader final : public json::json_sax_t {
public:
  explicit SectionReader(bool withLists) : withLists(withLists) {}

  StringsField tokens, merges;
  std::vector<uint8_t> types;
  bool hasTypes = false;
  std::string typesProblem;
  json fields = json::object();

  void read(const std::string &text) {
    if (!json::sax_parse(text, this))
      bad("JSON = not an object, limit one object of depth 4");
  }

  bool null() override { return value(nullptr); }
  bool boolean(bool v) override { return value(v); }
  bool number_integer(int64_t v) override { return value(v); }
  bool number_float(double v, const std::string &) override { return value(v); }
  bool binary(json::binary_t &) override { return false; }
  bool number_unsigned(uint64_t v) override {
    if (depth != 2 || list != List::Types)
      return value(v);
    if (v > 255)
      typesProblem = std::to_string(v);
    types.push_back(static_cast<uint8_t>(v));
    return true;
  }
  bool string(std::string &v) override {
    if (depth != 2 || list != List::Strings)
      return value(std::move(v));
    if (strings)
      strings->values.add(v);
    return true;
  }
  bool start_object(size_t) override { return enter(json::object()); }
  bool start_array(size_t) override {
    if (depth == 1) {
      list = List::Other;
      if (field == "tokens" || field == "merges") {
        list = List::Strings;
        if (withLists) {
          strings = field == "tokens" ? &tokens : &merges;
          strings->begin();
        }
      } else if (field == "token_types") {
        list = List::Types;
        hasTypes = true;
        types.clear();
        typesProblem.clear();
      }
    }
    return depth > 0 && enter(json::array());
  }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool key(std::string &name) override {
    if (depth == 1)
      field = name;
    return true;
  }
  bool parse_error(size_t, const std::string &,
                   const nlohmann::detail::exception &) override {
    return false;
  }

private:
  enum class List { None, Strings, Types, Other };

  // A container of the small fields is kept if it is one of depth 2.
  bool enter(json empty) {
    if (depth == 1 && (list == List::None || list == List::Other))
      fields[field] = std::move(empty);
    else if (depth == 2 && list == List::Other)
      (void)value(nullptr); // no small field holds one
    else if (depth == 2)
      elementIsWrong("a container");
    return ++depth <= 4;
  }
  bool leave() {
    if (--depth == 1) {
      list = List::None;
      strings = nullptr;
    }
    return true;
  }
  bool value(json v) {
    if (depth == 1) {
      if (field == "tokens")
        tokens.problem = " = not an array";
      else if (field == "merges")
        merges.problem = " = not an array";
      else if (field == "token_types") {
        hasTypes = true;
        typesProblem = v.dump();
      } else
        fields[field] = std::move(v);
    } else if (depth == 2 && list == List::Other) {
      if (fields[field].is_array())
        fields[field].push_back(std::move(v));
    } else if (depth == 2) {
      elementIsWrong(v.dump());
    }
    return depth > 0;
  }
  void elementIsWrong(const std::string &what) {
    if (strings && strings->problem.empty())
      strings->problem =
          "[" + std::to_string(strings->values.size()) + "] = " + what;
    else if (list == List::Types)
      typesProblem = what;
  }

  bool withLists;
  int depth = 0;
  std::string field;
  List list = List::None;
  StringsField *strings = nullptr;
};

uint64_t hashOf(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

// "eos": absent, one id or an array of ids.
std::vector<int32_t> endTokens(const json &root, size_t limit) {
  std::vector<int32_t> ids;
  auto it = root.find("eos");
  if (it == root.end() || it->is_null())
    return ids;
  if (!it->is_array())
    return {readId(*it, "eos", limit)};
  for (const json &id : *it)
    ids.push_back(readId(id, "eos", limit));
  return ids;
}

} // namespace

std::vector<int32_t> readEndTokens(const std::string &text, int64_t vocab) {
  SectionReader section(/*withLists=*/false);
  section.read(text);
  return endTokens(section.fields, vocab);
}

StringIndex::StringIndex(const Strings &strings, size_t most)
    : strings(&strings), slots(std::bit_ceil(most * 4 / 3 + 1)) {}

void StringIndex::add(int32_t id) {
  uint64_t hash = hashOf((*strings)[id]);
  Slot *slot = find((*strings)[id], hash);
  if (slot->id < 0)
    *slot = {static_cast<uint32_t>(hash >> 32), id};
}

int32_t StringIndex::find(std::string_view text) const {
  return const_cast<StringIndex *>(this)->find(text, hashOf(text))->id;
}

// The slot that holds `text`, or the free one where it belongs.
StringIndex::Slot *StringIndex::find(std::string_view text, uint64_t hash) {
  size_t mask = slots.size() - 1;
  auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    Slot &slot = slots[at];
    if (slot.id < 0 || (slot.tag == tag && (*strings)[slot.id] == text))
      return &slot;
  }
}

void Bpe::MergeTable::reserve(size_t most) {
  slots.assign(std::bit_ceil(most * 4 / 3 + 1), {kNone, {0, -1}});
}

const Bpe::Merge *Bpe::MergeTable::find(int32_t left, int32_t right) const {
  const Slot &slot = slots[place(keyOf(left, right))];
  return slot.key == kNone ? nullptr : &slot.merge;
}

void Bpe::MergeTable::add(int32_t left, int32_t right, const Merge &merge) {
  uint64_t key = keyOf(left, right);
  Slot &slot = slots[place(key)];
  if (slot.key == kNone)
    slot = {key, merge};
}

size_t Bpe::MergeTable::place(uint64_t key) const {
  size_t mask = slots.size() - 1;
  size_t at = key * 0x9e3779b97f4a7c15 >> 32 & mask;
  while (slots[at].key != kNone && slots[at].key != key)
    at = (at + 1) & mask;
  return at;
}

Bpe::Bpe(const std::string &text, int64_t vocab) {
  SectionReader section(/*withLists=*/true);
  section.read(text);
  const json &root = section.fields;
  auto string = [&](const char *field) {
    auto it = root.find(field);
    if (it == root.end() || !it->is_string())
      bad(std::string(field) + " = absent, limit a string");
    return it->get<std::string>();
  };
  if (std::string model = string("model"); model != "gpt2")
    fail(ExitCode::Unsupported,
         "tokenizer: model = " + model + ", limit gpt2 (byte-level BPE)",
         "token ids need no tokenizer: `--tokens=1,2,3`");
  pre = std::make_unique<PreTokenizer>(string("pre"));

  section.tokens.check("tokens");
  const Strings &tokens = section.tokens.values;
  if (tokens.size() == 0 || tokens.size() > static_cast<size_t>(vocab))
    bad("tokens = " + std::to_string(tokens.size()) + ", limit " +
        std::to_string(vocab) + " (the model's vocabulary)");
  if (!section.typesProblem.empty())
    bad("token_types = " + section.typesProblem + ", limit 255");
  if (section.hasTypes && section.types.size() != tokens.size())
    bad("token_types = another count than tokens, limit " +
        std::to_string(tokens.size()));
  types = std::move(section.types);
  types.resize(tokens.size(), 1);
  buildTexts(tokens);

  StringIndex idOfToken(tokens, tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i)
    idOfToken.add(static_cast<int32_t>(i));
  section.merges.check("merges");
  const Strings &rules = section.merges.values;
  merges.reserve(rules.size());
  std::string joined;
  for (size_t rank = 0; rank < rules.size(); ++rank) {
    // Spaces are written in the alphabet, so the first one separates.
    std::string_view rule = rules[rank];
    size_t space = rule.find(' ', 1);
    if (space == std::string_view::npos)
      bad("merges[" + std::to_string(rank) + "] = no pair, limit two tokens");
    int32_t left = idOfToken.find(rule.substr(0, space));
    int32_t right = idOfToken.find(rule.substr(space + 1));
    joined.assign(rule.substr(0, space)).append(rule.substr(space + 1));
    int32_t both = idOfToken.find(joined);
    if (left < 0 || right < 0 || both < 0)
      bad("merges[" + std::to_string(rank) +
          "] = a pair of unknown tokens, "
          "limit the vocabulary");
    merges.add(left, right, {static_cast<uint32_t>(rank), both});
  }

  bos = optionalId(root, "bos", tokens.size());
  eos = endTokens(root, tokens.size());
  addBos = flag(root, "add_bos");
  addEos = flag(root, "add_eos");
  if (addBos && !bos)
    bad("add_bos = true without bos, limit a bos id");
  auto it = root.find("chat_template");
  hasChatTemplate = it != root.end() && it->is_string() &&
                    !it->get_ref<const std::string &>().empty();
}

void Bpe::buildTexts(const Strings &tokens) {
  std::fill(std::begin(byteIds), std::end(byteIds), -1);
  // Whole pieces are looked up where the rule skips the merges.
  if (pre->ignoresMerges())
    idOf = std::make_unique<StringIndex>(texts, tokens.size());
  std::string decoded;
  for (size_t i = 0; i < tokens.size(); ++i) {
    bool added = types[i] == kControl || types[i] == kUserDefined;
    // Added tokens are written as themselves.
    bool plain = !added && decodeAlphabet(tokens[i], decoded);
    texts.add(plain ? std::string_view(decoded) : tokens[i]);
    std::string_view text = texts[i];
    if (text.empty())
      continue;
    auto first = static_cast<unsigned char>(text[0]);
    if (added)
      addedByByte[first].push_back(static_cast<int32_t>(i));
    else if (types[i] != kUnused && types[i] != kUnknown) {
      if (idOf)
        idOf->add(static_cast<int32_t>(i));
      if (text.size() == 1 && byteIds[first] < 0)
        byteIds[first] = static_cast<int32_t>(i);
    }
  }
  for (std::vector<int32_t> &ids : addedByByte)
    std::sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) {
      size_t left = texts[a].size(), right = texts[b].size();
      return left != right ? left > right : a < b;
    });
}

int32_t Bpe::addedAt(std::string_view text, size_t at, bool special) const {
  for (int32_t id : addedByByte[static_cast<unsigned char>(text[at])])
    if ((special || types[id] == kUserDefined) &&
        text.compare(at, texts[id].size(), texts[id]) == 0)
      return id;
  return -1;
}

std::vector<int32_t> Bpe::encode(std::string_view raw, bool special) {
  dropped = 0;
  std::string text = sanitizeUtf8(raw);
  std::vector<int32_t> ids;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    int32_t id = addedAt(text, at, special);
    if (id < 0) {
      ++at;
      continue;
    }
    encodePlain(std::string_view(text).substr(done, at - done), ids);
    ids.push_back(id);
    at += texts[id].size();
    done = at;
  }
  encodePlain(std::string_view(text).substr(done), ids);
  return ids;
}

void Bpe::encodePlain(std::string_view text, std::vector<int32_t> &ids) {
  pre->split(text, [&](std::string_view piece) { encodePiece(piece, ids); });
}

void Bpe::encodePiece(std::string_view piece, std::vector<int32_t> &ids) {
  if (idOf)
    if (int32_t id = idOf->find(piece); id >= 0) {
      ids.push_back(id);
      return;
    }
  // Symbols as a linked list; candidates in a heap by rank, then position, so
  // that a piece of n bytes takes O(n log n).
  struct Symbol {
    int32_t id; // -1 once merged into its left neighbour
    int32_t prev, next;
  };
  struct Candidate {
    uint32_t rank;
    int32_t at;
    int32_t id; // of the merged pair
    bool operator<(const Candidate &other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  std::vector<Symbol> symbols;
  symbols.reserve(piece.size());
  for (unsigned char byte : piece) {
    int32_t id = byteIds[byte];
    if (id < 0) {
      // The reference implementations leave out what the vocabulary cannot
      // write; an unknown token here would be a control token made of text.
      ++dropped;
      continue;
    }
    auto at = static_cast<int32_t>(symbols.size());
    symbols.push_back({id, at - 1, at + 1});
  }
  if (symbols.empty())
    return;
  symbols.back().next = -1;

  std::vector<Candidate> heap;
  auto find = [&](int32_t at) -> const Merge * {
    const Symbol &left = symbols[at];
    return left.next < 0 ? nullptr
                         : merges.find(left.id, symbols[left.next].id);
  };
  for (size_t at = 0; at + 1 < symbols.size(); ++at)
    if (const Merge *merge = find(at))
      heap.push_back({merge->rank, static_cast<int32_t>(at), merge->id});
  std::make_heap(heap.begin(), heap.end());
  auto push = [&](int32_t at) {
    if (const Merge *merge = find(at)) {
      heap.push_back({merge->rank, at, merge->id});
      std::push_heap(heap.begin(), heap.end());
    }
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    Candidate best = heap.back();
    heap.pop_back();
    Symbol &left = symbols[best.at];
    // An earlier merge may have changed the pair.
    const Merge *current = left.id < 0 ? nullptr : find(best.at);
    if (!current || current->id != best.id)
      continue;
    Symbol &right = symbols[left.next];
    left.id = best.id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0)
      symbols[left.next].prev = best.at;
    if (left.prev >= 0)
      push(left.prev);
    push(best.at);
  }
  for (int32_t at = 0; at >= 0; at = symbols[at].next)
    ids.push_back(symbols[at].id);
}

std::string_view Bpe::bytes(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= texts.size())
    return {};
  return texts[id];
}

bool Bpe::isControl(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < types.size() &&
         types[id] == kControl;
}

std::string TextStream::add(std::string_view bytes) {
  pending += bytes;
  size_t tail = incompleteTail(pending);
  std::string ready =
      sanitizeUtf8(std::string_view(pending).substr(0, pending.size() - tail));
  pending.erase(0, pending.size() - tail);
  return ready;
}

std::string TextStream::finish() {
  std::string rest = sanitizeUtf8(pending);
  pending.clear();
  return rest;
}

} // namespace heddle::rt
