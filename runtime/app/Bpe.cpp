//===- Bpe.cpp - Byte-level byte-pair encoding ----------------------------===//

#include "Bpe.h"
#include "Utf8.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <nlohmann/json.hpp>
#include <queue>

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

std::vector<std::string> strings(json &root, const char *field) {
  auto it = root.find(field);
  if (it == root.end() || !it->is_array())
    bad(std::string(field) + " = " +
        (it == root.end() ? "absent" : "not an array") +
        ", limit an array of strings");
  std::vector<std::string> result;
  result.reserve(it->size());
  for (json &element : *it) {
    if (!element.is_string())
      bad(std::string(field) + "[" + std::to_string(result.size()) +
          "] = " + element.dump() + ", limit a string");
    result.push_back(std::move(element.get_ref<std::string &>()));
  }
  return result;
}

json parseSection(const std::string &text) {
  bool tooDeep = false;
  json root = json::parse(
      text,
      [&](int depth, json::parse_event_t, json &) {
        tooDeep |= depth > 4;
        return !tooDeep;
      },
      /*allow_exceptions=*/false);
  if (tooDeep || root.is_discarded() || !root.is_object())
    bad("JSON = not an object, limit one object of depth 4");
  return root;
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
  return endTokens(parseSection(text), vocab);
}

Bpe::Bpe(const std::string &text, int64_t vocab) {
  json root = parseSection(text);
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

  std::vector<std::string> tokens = strings(root, "tokens");
  if (tokens.empty() || tokens.size() > static_cast<size_t>(vocab))
    bad("tokens = " + std::to_string(tokens.size()) + ", limit " +
        std::to_string(vocab) + " (the model's vocabulary)");
  types.assign(tokens.size(), 1);
  if (auto it = root.find("token_types"); it != root.end()) {
    if (!it->is_array() || it->size() != tokens.size())
      bad("token_types = another count than tokens, limit " +
          std::to_string(tokens.size()));
    for (size_t i = 0; i < tokens.size(); ++i)
      types[i] = static_cast<uint8_t>(readId((*it)[i], "token_types", 256));
  }
  buildTexts(tokens);

  std::unordered_map<std::string_view, int32_t> idOfToken;
  idOfToken.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i)
    idOfToken.emplace(tokens[i], static_cast<int32_t>(i));
  std::vector<std::string> rules = strings(root, "merges");
  merges.reserve(rules.size());
  std::string joined;
  for (size_t rank = 0; rank < rules.size(); ++rank) {
    // Spaces are written in the alphabet, so the first one separates.
    std::string_view rule = rules[rank];
    size_t space = rule.find(' ', 1);
    if (space == std::string_view::npos)
      bad("merges[" + std::to_string(rank) + "] = no pair, limit two tokens");
    auto left = idOfToken.find(rule.substr(0, space));
    auto right = idOfToken.find(rule.substr(space + 1));
    joined.assign(rule.substr(0, space)).append(rule.substr(space + 1));
    auto both = idOfToken.find(joined);
    if (left == idOfToken.end() || right == idOfToken.end() ||
        both == idOfToken.end())
      bad("merges[" + std::to_string(rank) +
          "] = a pair of unknown tokens, "
          "limit the vocabulary");
    merges.emplace(uint64_t(left->second) << 32 | uint32_t(right->second),
                   Merge{static_cast<uint32_t>(rank), both->second});
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

void Bpe::buildTexts(const std::vector<std::string> &tokens) {
  std::fill(std::begin(byteIds), std::end(byteIds), -1);
  texts.resize(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    bool added = types[i] == kControl || types[i] == kUserDefined;
    // Added tokens are written as themselves.
    if (added || !decodeAlphabet(tokens[i], texts[i]))
      texts[i] = tokens[i];
    if (texts[i].empty())
      continue;
    auto first = static_cast<unsigned char>(texts[i][0]);
    if (added)
      addedByByte[first].push_back(static_cast<int32_t>(i));
    else if (types[i] != kUnused && types[i] != kUnknown) {
      idOf.emplace(texts[i], static_cast<int32_t>(i));
      if (texts[i].size() == 1 && byteIds[first] < 0)
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
  if (pre->ignoresMerges())
    if (auto it = idOf.find(piece); it != idOf.end()) {
      ids.push_back(it->second);
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
    if (left.next < 0)
      return nullptr;
    auto it =
        merges.find(uint64_t(left.id) << 32 | uint32_t(symbols[left.next].id));
    return it == merges.end() ? nullptr : &it->second;
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
