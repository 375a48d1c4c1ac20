//===- Bpe.cpp - Byte-pair encoding ---------------------------------------===//

#include "Bpe.h"
#include "Normalize.h"
#include "Utf8.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <bit>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace heddle::rt {

namespace {

// GGUF token types.
enum : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

// SentencePiece's sign for a space.
constexpr std::string_view kSpaceSign = "\xe2\x96\x81";

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

// The byte of a token <0xNN>, or -1.
int byteOfToken(std::string_view token) {
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>')
    return -1;
  int value = 0;
  for (char c : token.substr(3, 2)) {
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0)
      return -1;
    value = value * 16 + digit;
  }
  return value;
}

Text withSpaces(const Text &given) {
  const std::string &text = given.bytes();
  Text out;
  for (size_t at = 0; at < text.size();) {
    size_t sign = std::min(text.find(kSpaceSign, at), text.size());
    out.append(given, at, sign);
    if (sign < text.size())
      out.append(" ", given.isUser(sign));
    at = sign + kSpaceSign.size();
  }
  return out;
}

uint64_t hashOf(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

} // namespace

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

Bpe::Bpe(const std::string &json, int64_t vocab) {
  TokenizerSection section(json);
  std::string model = section.string("model");
  if (model != "gpt2" && model != "llama")
    fail(ExitCode::Unsupported,
         "tokenizer: model = " + model +
             ", limit gpt2 (byte-level BPE) or llama (SentencePiece BPE)",
         "token ids need no tokenizer: `--tokens=1,2,3`");
  byteLevel = model == "gpt2";
  pre = std::make_unique<PreTokenizer>(section.strings("pre"));

  const Strings &tokens = section.tokens;
  if (tokens.size() == 0 || tokens.size() > static_cast<size_t>(vocab))
    badTokenizer("tokens = " + std::to_string(tokens.size()) + ", limit " +
                 std::to_string(vocab) + " (the model's vocabulary)");
  std::vector<int32_t> kinds = section.numbers("token_types");
  if (!kinds.empty() && kinds.size() != tokens.size())
    badTokenizer("token_types = another count than tokens, limit " +
                 std::to_string(tokens.size()));
  types.assign(tokens.size(), kNormal);
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i] > kByte)
      badTokenizer("token_types = " + std::to_string(kinds[i]) + ", limit 6");
    types[i] = static_cast<uint8_t>(kinds[i]);
  }
  readOptions(section);
  buildTexts(tokens);
  buildAdded(tokens, section);
  readMerges(section);

  bos = section.id("bos", tokens.size());
  addBos = section.flag("add_bos");
  if (addBos && !bos)
    badTokenizer("add_bos = true without bos, limit a bos id");
  // What is wrong with a template matters to those who use it.
  try {
    if (std::optional<ChatCode> code = section.chat())
      chatTemplate = std::make_unique<ChatTemplate>(std::move(*code));
  } catch (const Failure &failure) {
    chatFailure = failure;
  }
}

const ChatTemplate *Bpe::chat() const {
  if (chatFailure)
    throw *chatFailure;
  return chatTemplate.get();
}

void Bpe::readOptions(const TokenizerSection &section) {
  nfc = section.flag("nfc");
  nfkc = section.flag("nfkc");
  ignoreMerges = section.flag("ignore_merges");
  prefixIfAbsent = section.flag("prefix_if_absent");
  splitSpaces = section.flag("split_spaces");
  byteFallback = section.flag("byte_fallback");
  fuseUnknown = section.flag("fuse_unk");
  unknown = section.id("unk", types.size());
  if (section.has("prefix")) {
    std::string name = section.string("prefix");
    if (name != "first" && name != "always")
      badTokenizer("prefix = " + name + ", limit first or always");
    prefix = name == "first" ? Prefix::First : Prefix::Always;
  }
}

void Bpe::readMerges(TokenizerSection &section) {
  std::vector<int32_t> rules = section.numbers("merges"),
                       ranks = section.numbers("merge_ranks");
  size_t count = rules.size() / 3;
  if (rules.size() % 3 || (!ranks.empty() && ranks.size() != count))
    badTokenizer("merges = " + std::to_string(rules.size()) + " ids, " +
                 std::to_string(ranks.size()) +
                 " ranks, limit three ids and one rank a merge");
  merges.reserve(count);
  spacesBegin = !byteLevel && idOf->find(" ") >= 0;
  for (size_t i = 0; i < count; ++i) {
    const int32_t *rule = &rules[i * 3];
    for (int j = 0; j < 3; ++j)
      if (static_cast<size_t>(rule[j]) >= texts.size())
        badTokenizer("merges[" + std::to_string(i) + "] = " +
                     std::to_string(rule[j]) + ", limit the vocabulary");
    uint32_t rank = ranks.empty() ? i : ranks[i];
    merges.add(rule[0], rule[1], {rank, rule[2]});
    std::string_view left = texts[rule[0]], right = texts[rule[1]];
    if (!left.empty() && left.back() != ' ' && !right.empty() &&
        right.front() == ' ')
      spacesBegin = false;
  }
}

void Bpe::buildTexts(const Strings &tokens) {
  std::fill(std::begin(byteIds), std::end(byteIds), -1);
  // Bytes are looked up one by one; whole pieces where the rule skips the
  // merges, characters always.
  if (ignoreMerges || !byteLevel)
    idOf = std::make_unique<StringIndex>(texts, tokens.size());
  std::string decoded;
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string_view token = tokens[i];
    bool written = types[i] != kControl && types[i] != kUserDefined;
    int byte = types[i] == kByte ? byteOfToken(token) : -1;
    // Added tokens are written as themselves.
    if (written && byteLevel) {
      texts.add(decodeAlphabet(token, decoded) ? std::string_view(decoded)
                                               : token);
    } else if (byte >= 0) {
      decoded.assign(1, static_cast<char>(byte));
      texts.add(decoded);
    } else if (written) {
      texts.add(withSpaces(Text(std::string(token))).bytes());
    } else {
      texts.add(token);
    }
    std::string_view text = texts[i];
    if (text.empty() || !written || types[i] == kUnused || types[i] == kUnknown)
      continue;
    auto first = static_cast<unsigned char>(text[0]);
    if (byteLevel ? text.size() == 1 : byte >= 0)
      if (byteIds[first] < 0)
        byteIds[first] = static_cast<int32_t>(i);
    // A token with a space of its own is never met: texts have the sign.
    if (idOf && byte < 0 &&
        (byteLevel || token.find(' ') == std::string_view::npos))
      idOf->add(static_cast<int32_t>(i));
  }
}

void Bpe::buildAdded(const Strings &tokens, TokenizerSection &section) {
  std::vector<int32_t> matching = section.numbers("matching"),
                       named = section.numbers("chat_control");
  std::sort(named.begin(), named.end());
  if (matching.size() % 2)
    badTokenizer("matching = an odd count, limit pairs of an id and flags");
  std::map<int32_t, int32_t> flags;
  for (size_t i = 0; i < matching.size(); i += 2)
    flags[matching[i]] = matching[i + 1];
  std::vector<AddedToken> raw, normalized;
  for (size_t i = 0; i < tokens.size(); ++i) {
    auto id = static_cast<int32_t>(i);
    if ((types[i] != kControl && types[i] != kUserDefined) || tokens[i].empty())
      continue;
    auto it = flags.find(id);
    int32_t bits = it == flags.end() ? 0 : it->second;
    bool isNormalized = bits & 4;
    (isNormalized ? normalized : raw)
        .push_back({isNormalized
                        ? normalize(Text(std::string(tokens[i]))).bytes()
                        : std::string(tokens[i]),
                    id, types[i] == kControl,
                    std::binary_search(named.begin(), named.end(), id),
                    (bits & 1) != 0, (bits & 2) != 0});
  }
  added = std::make_unique<AddedTokens>(std::move(raw));
  addedNormalized = std::make_unique<AddedTokens>(std::move(normalized));
}

Text Bpe::normalize(const Text &text) const {
  Text form = nfkc ? toNfkc(text) : nfc ? toNfc(text) : text;
  if (byteLevel)
    return form;
  // A space and SentencePiece's sign for it are the same from here on.
  Text out;
  if (prefix == Prefix::Always && !prefixIfAbsent && !text.empty())
    out.append(" ");
  out.append(withSpaces(form));
  return out;
}

std::vector<int32_t> Bpe::encode(std::string_view raw, bool special) {
  return encodeText(Text(sanitizeUtf8(raw)),
                    special ? AddedTokens::Control::Anywhere
                            : AddedTokens::Control::Nowhere);
}

std::vector<int32_t> Bpe::encodeChat(const Text &text) {
  return encodeText(text, AddedTokens::Control::OfTemplate);
}

std::vector<int32_t> Bpe::encodeText(const Text &text,
                                     AddedTokens::Control control) {
  dropped = 0;
  std::vector<int32_t> ids;
  added->split(
      text, control,
      [&](size_t begin, size_t end) {
        encodeRaw(text.slice(begin, end), control, begin == 0, ids);
      },
      [&](int32_t id) { ids.push_back(id); });
  return ids;
}

void Bpe::encodeRaw(const Text &raw, AddedTokens::Control control, bool first,
                    std::vector<int32_t> &ids) {
  Text text = normalize(raw);
  addedNormalized->split(
      text, control,
      [&](size_t begin, size_t end) {
        encodePlain(std::string_view(text.bytes()).substr(begin, end - begin),
                    first && begin == 0, ids);
      },
      [&](int32_t id) { ids.push_back(id); });
}

void Bpe::encodePlain(std::string_view text, bool first,
                      std::vector<int32_t> &ids) {
  if (text.empty())
    return;
  if (byteLevel)
    return pre->split(text,
                      [&](std::string_view piece) { encodePiece(piece, ids); });
  bool wanted = prefix == Prefix::Always || (prefix == Prefix::First && first);
  if (prefixIfAbsent && wanted && text[0] != ' ')
    return encodeSpaced(" " + std::string(text), ids);
  encodeSpaced(text, ids);
}

void Bpe::encodeSpaced(std::string_view text, std::vector<int32_t> &ids) {
  size_t begin = 0;
  if (splitSpaces || (spacesBegin && !ignoreMerges))
    for (size_t at = 1; at < text.size(); ++at)
      if (text[at] == ' ' && (splitSpaces || text[at - 1] != ' ')) {
        encodePiece(text.substr(begin, at - begin), ids);
        begin = at;
      }
  encodePiece(text.substr(begin), ids);
}

void Bpe::addSymbol(int32_t id) {
  auto at = static_cast<int32_t>(symbols.size());
  symbols.push_back({id, at - 1, at + 1});
}

void Bpe::addBytes(std::string_view piece) {
  for (unsigned char byte : piece)
    if (byteIds[byte] >= 0)
      addSymbol(byteIds[byte]);
    else
      // The reference implementations leave out what the vocabulary cannot
      // write; an unknown token here would be a control token made of text.
      ++dropped;
}

void Bpe::addCharacters(std::string_view piece) {
  bool afterUnknown = false;
  for (size_t at = 0; at < piece.size();) {
    std::string_view character = piece.substr(at, readUtf8(piece, at).length);
    at += character.size();
    int32_t id = idOf->find(character);
    auto hasToken = [&](unsigned char byte) { return byteIds[byte] >= 0; };
    if (id >= 0) {
      addSymbol(id);
      afterUnknown = false;
    } else if (byteFallback &&
               std::all_of(character.begin(), character.end(), hasToken)) {
      for (unsigned char byte : character)
        addSymbol(byteIds[byte]);
      afterUnknown = false;
    } else if (!unknown) {
      dropped += character.size();
    } else {
      if (!afterUnknown || !fuseUnknown)
        addSymbol(*unknown);
      afterUnknown = true;
    }
  }
}

void Bpe::encodePiece(std::string_view piece, std::vector<int32_t> &ids) {
  if (ignoreMerges)
    if (int32_t id = idOf->find(piece); id >= 0) {
      ids.push_back(id);
      return;
    }
  symbols.clear();
  symbols.reserve(piece.size());
  if (byteLevel)
    addBytes(piece);
  else
    addCharacters(piece);
  if (symbols.empty())
    return;
  symbols.back().next = -1;
  mergeSymbols();
  for (int32_t at = 0; at >= 0; at = symbols[at].next)
    ids.push_back(symbols[at].id);
}

// Symbols are a linked list; candidates are in a heap by rank, then position,
// so that n symbols take O(n log n).
void Bpe::mergeSymbols() {
  struct Candidate {
    uint32_t rank;
    int32_t at;
    int32_t id; // of the merged pair
    bool operator<(const Candidate &other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
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
