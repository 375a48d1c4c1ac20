//===- Normalize.cpp - Unicode's forms C and KC ---------------------------===//

#include "Normalize.h"
#include "NfcTables.h"
#include "NfkcTables.h"
#include "Utf8.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <iterator>
#include <vector>

namespace heddle::rt {

namespace {

// Hangul syllables: a leading consonant, a vowel, perhaps a final consonant.
constexpr uint32_t kSyllables = 0xac00, kLeads = 0x1100, kVowels = 0x1161,
                   kTails = 0x11a7; // one before the first
constexpr uint32_t kLeadCount = 19, kVowelCount = 21, kTailCount = 28;
constexpr uint32_t kSyllableCount = kLeadCount * kVowelCount * kTailCount;

// Below this every character is a starter and as form C has it.
constexpr uint32_t kFirstMark = 0x300;

struct Composition {
  uint32_t first, second, character;
  bool operator<(const Composition &other) const {
    return first != other.first ? first < other.first : second < other.second;
  }
};

class Tables {
public:
  Tables() {
    for (const NfcPair &pair : kNfcPairs)
      if (pair.composes) {
        compositions.push_back({pair.first, pair.second, pair.character});
        seconds.push_back(pair.second);
      }
    std::sort(compositions.begin(), compositions.end());
    std::sort(seconds.begin(), seconds.end());
  }

  static const NfcPair *decomposition(uint32_t c) {
    auto it = std::lower_bound(
        std::begin(kNfcPairs), std::end(kNfcPairs), c,
        [](const NfcPair &pair, uint32_t c) { return pair.character < c; });
    return it != std::end(kNfcPairs) && it->character == c ? it : nullptr;
  }
  static uint32_t classOf(uint32_t c) {
    if (c < kFirstMark)
      return 0;
    auto it = std::lower_bound(
        std::begin(kNfcClasses), std::end(kNfcClasses), c,
        [](const NfcClass &range, uint32_t c) { return range.high < c; });
    return it != std::end(kNfcClasses) && it->low <= c ? it->value : 0;
  }
  // The character that two make; 0 if none.
  uint32_t compose(uint32_t first, uint32_t second) const {
    if (first - kLeads < kLeadCount && second - kVowels < kVowelCount)
      return kSyllables +
             ((first - kLeads) * kVowelCount + second - kVowels) * kTailCount;
    if (uint32_t syllable = first - kSyllables;
        syllable < kSyllableCount && syllable % kTailCount == 0 &&
        second > kTails && second < kTails + kTailCount)
      return first + second - kTails;
    Composition pair = {first, second, 0};
    auto it = std::lower_bound(compositions.begin(), compositions.end(), pair);
    return it != compositions.end() && !(pair < *it) ? it->character : 0;
  }
  // The compatibility decomposition of `c`, ended by 0; null if it has no other
  // than the canonical one.
  static const uint32_t *compatible(uint32_t c) {
    auto it = std::lower_bound(
        std::begin(kNfkcEntries), std::end(kNfkcEntries), c,
        [](const NfkcEntry &entry, uint32_t c) { return entry.character < c; });
    return it != std::end(kNfkcEntries) && it->character == c
               ? kNfkcPool + it->at
               : nullptr;
  }
  // Whether `c` is a starter that form C keeps whatever stands before it.
  bool isBoundary(uint32_t c) const {
    if (c < kFirstMark)
      return true;
    if (classOf(c) || c - kVowels < kVowelCount ||
        (c > kTails && c < kTails + kTailCount) ||
        std::binary_search(seconds.begin(), seconds.end(), c))
      return false;
    const NfcPair *pair = decomposition(c);
    return !pair || pair->composes;
  }

private:
  std::vector<Composition> compositions;
  std::vector<uint32_t> seconds;
};

struct Mark {
  uint32_t character, value; // its combining class
  size_t place;              // among the characters
};

void decompose(uint32_t c, bool compatibly, std::vector<Mark> &out) {
  if (const uint32_t *all = compatibly ? Tables::compatible(c) : nullptr) {
    for (; *all; ++all)
      out.push_back({*all, Tables::classOf(*all), out.size()});
  } else if (uint32_t syllable = c - kSyllables; syllable < kSyllableCount) {
    out.push_back({kLeads + syllable / kTailCount / kVowelCount, 0, 0});
    out.push_back({kVowels + syllable / kTailCount % kVowelCount, 0, 0});
    if (syllable % kTailCount)
      out.push_back({kTails + syllable % kTailCount, 0, 0});
  } else if (const NfcPair *pair = Tables::decomposition(c)) {
    decompose(pair->first, false, out);
    if (pair->second)
      decompose(pair->second, false, out);
  } else {
    out.push_back({c, Tables::classOf(c), out.size()});
  }
}

void normalizeSegment(const Tables &tables, std::string_view segment,
                      bool compatibly, std::string &out) {
  std::vector<Mark> marks;
  for (size_t at = 0; at < segment.size();) {
    Utf8Step step = readUtf8(segment, at);
    decompose(step.codePoint, compatibly, marks);
    at += step.length;
  }
  for (auto it = marks.begin(); it != marks.end();) {
    auto isMark = [](const Mark &m) { return m.value != 0; };
    auto begin = std::find_if(it, marks.end(), isMark);
    it = std::find_if_not(begin, marks.end(), isMark);
    std::sort(begin, it, [](const Mark &a, const Mark &b) {
      return a.value != b.value ? a.value < b.value : a.place < b.place;
    });
  }
  std::vector<uint32_t> kept;
  size_t starter = 0;
  bool hasStarter = false;
  uint32_t last = 0; // class of what was kept after the starter
  for (const Mark &m : marks) {
    if (hasStarter && (last == 0 || last < m.value))
      if (uint32_t whole = tables.compose(kept[starter], m.character)) {
        kept[starter] = whole;
        continue;
      }
    if (m.value == 0) {
      starter = kept.size();
      hasStarter = true;
    }
    last = m.value;
    kept.push_back(m.character);
  }
  for (uint32_t c : kept)
    appendUtf8(out, c);
}

// Segments from one boundary to the next are brought to the form one by one;
// what is in it already is copied.
Text normalized(const Text &given, bool compatibly) {
  constexpr size_t kMostBytes = size_t(256) << 20;
  static const Tables tables;
  std::string_view text = given.bytes();
  Text out;
  auto compatible = [&](uint32_t c) {
    return compatibly ? Tables::compatible(c) : nullptr;
  };
  auto isBoundary = [&](uint32_t c) {
    const uint32_t *all = compatible(c);
    return tables.isBoundary(all ? *all : c);
  };
  size_t done = 0;     // bytes that are in `out`
  size_t boundary = 0; // last boundary before `at`
  for (size_t at = 0; at < text.size();) {
    Utf8Step step = readUtf8(text, at);
    if (isBoundary(step.codePoint)) {
      boundary = at;
      if (!compatible(step.codePoint)) {
        at += step.length;
        continue;
      }
    }
    size_t end = at + step.length;
    while (end < text.size()) {
      step = readUtf8(text, end);
      if (isBoundary(step.codePoint))
        break;
      end += step.length;
    }
    out.append(given, done, boundary);
    std::string segment;
    normalizeSegment(tables, text.substr(boundary, end - boundary), compatibly,
                     segment);
    out.append(segment, given.hasUser(boundary, end));
    if (compatibly && out.size() > kMostBytes)
      fail(ExitCode::Limit, "text: bytes in form KC = more, limit " +
                                std::to_string(kMostBytes));
    done = boundary = at = end;
  }
  out.append(given, done, text.size());
  return out;
}

} // namespace

Text toNfc(const Text &text) { return normalized(text, false); }
Text toNfkc(const Text &text) { return normalized(text, true); }

} // namespace heddle::rt
