//===- PreTokenizer.cpp - Splitting text before BPE -----------------------===//

#include "PreTokenizer.h"
#include "UnicodeExtra.h"
#include "Utf8.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <pcre2.h>

namespace heddle::rt {

namespace {

// Class members, to be used inside [ ]. PCRE2's \s has U+180E, which is not
// White_Space. A class is tried member by member: what is frequent comes first.
#define SPACE                                                                  \
  "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}"    \
  "\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define LETTER "\\p{L}"
#define NUMBER "\\p{N}"
#define NEWER_NUMBER "\\x{11de0}-\\x{11de9}\\x{16ff4}-\\x{16ff6}"
#define SPACES "[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+"
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"

constexpr char kGpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?[" LETTER "]+| ?[" NUMBER
                         "]+| ?[^" LETTER NUMBER SPACE "]+|" SPACES;
#define LLAMA3_WITH(numbers)                                                   \
  CONTRACTIONS "|[^\\r\\n" LETTER NUMBER "]?[" LETTER "]+|[" NUMBER            \
               "]" numbers "| ?[^" LETTER NUMBER SPACE "]+[\\r\\n]*|[" SPACE   \
               "]*[\\r\\n]+|" SPACES

#define UPPER "\\p{Lu}\\p{Lt}" ANY_CASE
#define LOWER "\\p{Ll}" ANY_CASE
#define ANY_CASE "\\p{Lo}\\p{Lm}" MARK
#define MARK "\\p{M}"
#define PUNCTUATION "\\p{P}"
#define SYMBOL "\\p{S}"
constexpr char kO200k[] =
    "[^\\r\\n" LETTER NUMBER "]?[" UPPER "]*[" LOWER "]+" CONTRACTIONS
    "?|[^\\r\\n" LETTER NUMBER "]?[" UPPER "]+[" LOWER "]*" CONTRACTIONS
    "?|[" NUMBER "]{1,3}| ?[^" LETTER NUMBER SPACE "]+[\\r\\n/]*|[" SPACE
    "]*[\\r\\n]+|" SPACES;
constexpr char kDeepSeek3[] =
    "[!-/:-@\\[-`{-~][A-Za-z]+|[^\\r\\n" LETTER PUNCTUATION SYMBOL
    "]?[" LETTER MARK "]+| ?[" PUNCTUATION SYMBOL "]+[\\r\\n]*|[" SPACE
    "]*[\\r\\n]+|" SPACES;
// DeepSeek-LLM's letters of alphabets with upper and lower case.
constexpr char kAlphabets[] =
    "[" SPACE "]?["
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}"
    "\\x{1bc}-\\x{1bf}\\x{1c4}-\\x{293}\\x{295}-\\x{2af}\\x{370}-\\x{373}"
    "\\x{376}\\x{377}\\x{37b}-\\x{37d}\\x{37f}\\x{386}\\x{388}-\\x{38a}"
    "\\x{38c}\\x{38e}-\\x{3a1}\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}"
    "\\x{48a}-\\x{52f}\\x{531}-\\x{556}\\x{10a0}-\\x{10c5}"
    "\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}"
    "\\x{1cbd}-\\x{1cbf}\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}"
    "\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}"
    "\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}"
    "\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}"
    "\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}\\x{1fc6}-\\x{1fcc}"
    "\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}"
    "\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}"
    "\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}\\x{2124}\\x{2126}"
    "\\x{2128}\\x{212a}-\\x{212d}\\x{212f}-\\x{2134}\\x{2139}"
    "\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}\\x{214e}\\x{2183}\\x{2184}"
    "\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}\\x{2cf2}"
    "\\x{2cf3}\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}"
    "\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}"
    "\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}"
    "\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}\\x{104b0}-\\x{104d3}"
    "\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}"
    "\\x{118a0}-\\x{118df}\\x{1e900}-\\x{1e943}"
    "]+";

struct Rule {
  const char *name, *pattern;
  bool ranges = false; // has ranges of characters, not only properties
};

constexpr Rule kRules[] = {
    {"gpt2", kGpt2},
    {"llama3", LLAMA3_WITH("{1,3}")},
    {"qwen2", LLAMA3_WITH("")},
    {"o200k", kO200k},
    {"deepseek3", kDeepSeek3},
    {"digit", "[" NUMBER "]"},
    // What Rust's char::is_numeric has besides; kNewerCharacters goes by the
    // regular expressions of `tokenizers`, whose Unicode is older.
    {"digit-std", "[" NUMBER NEWER_NUMBER "]"},
    {"digits-std", "[" NUMBER NEWER_NUMBER "]+"},
    {"digits", "[" NUMBER "]+"},
    {"digits3", "[" NUMBER "]{1,3}"},
    {"cjk-kana", "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+",
     true},
    {"cjk-hangul",
     "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+", true},
    {"newline", "[\\r\\n]"},
    {"letters", "[" SPACE "]?[" LETTER "]+"},
    {"punctuation", "[" SPACE "]?[" PUNCTUATION "]+"},
    {"alphabets", kAlphabets, true},
    {"ascii-punctuation",
     "[" SPACE "]?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}"
     "\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}]+",
     true},
    // The look behind keeps a run that another character ends from being tried
    // at each of its spaces.
    {"spaces-end", "(?<![" SPACE "])[" SPACE "]+\\z"},
};

// Bounds on one match; the patterns above backtrack one step at most per
// character, so a text that reaches them is a bug of the table.
constexpr uint32_t kHeapLimitKiB = 1 << 20;
constexpr uint32_t kMatchLimit = UINT32_C(1) << 31;

} // namespace

struct PreTokenizer::Stage {
  pcre2_code *code = nullptr;
  pcre2_match_data *data = nullptr;
  pcre2_match_context *context = nullptr;
  bool ranges;

  explicit Stage(const Rule &rule) : ranges(rule.ranges) {
    int error = 0;
    PCRE2_SIZE at = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(rule.pattern),
                         PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error,
                         &at, nullptr);
    context = pcre2_match_context_create(nullptr);
    data = code ? pcre2_match_data_create_from_pattern(code, nullptr) : nullptr;
    if (!data || !context)
      fail(ExitCode::Bug, "pre-tokenizer pattern error " +
                              std::to_string(error) + " at " +
                              std::to_string(at));
    pcre2_set_heap_limit(context, kHeapLimitKiB);
    pcre2_set_match_limit(context, kMatchLimit);
  }
  ~Stage() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_code_free(code);
  }
};

PreTokenizer::PreTokenizer(const std::vector<std::string> &names) {
  for (const std::string &name : names) {
    auto rule =
        std::find_if(std::begin(kRules), std::end(kRules),
                     [&](const Rule &rule) { return name == rule.name; });
    if (rule == std::end(kRules)) {
      std::string known;
      for (const Rule &rule : kRules)
        known += (known.empty() ? "" : ", ") + std::string(rule.name);
      fail(ExitCode::Unsupported,
           "tokenizer: pre = " + name + ", limit one of " + known,
           "token ids need no tokenizer: `--tokens=1,2,3`");
    }
    stages.push_back(std::make_unique<Stage>(*rule));
  }
}

PreTokenizer::~PreTokenizer() = default;

// The text with older characters of the same category in place of those that
// PCRE2 does not know; empty if it has none.
static std::string withOlderCharacters(std::string_view text) {
  std::string out;
  constexpr unsigned char kLead = 0xe0; // of U+0800, below all of them
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < kLead) {
      ++at;
      continue;
    }
    Utf8Step step = readUtf8(text, at);
    auto it = std::lower_bound(std::begin(kNewerCharacters),
                               std::end(kNewerCharacters), step.codePoint,
                               [](const NewerCharacters &range, uint32_t c) {
                                 return range.high < c;
                               });
    if (it != std::end(kNewerCharacters) && it->low <= step.codePoint) {
      if (out.empty())
        out = text;
      std::string older;
      appendUtf8(older, it->older);
      out.replace(at, step.length, older);
    }
    at += step.length;
  }
  return out;
}

void PreTokenizer::split(std::string_view text, const Sink &sink) const {
  std::string older = withOlderCharacters(text);
  splitFrom(0, text, older.empty() ? text : older, sink);
}

void PreTokenizer::splitFrom(size_t index, std::string_view text,
                             std::string_view older, const Sink &sink) const {
  if (text.empty())
    return;
  if (index == stages.size())
    return sink(text);
  const Stage &stage = *stages[index];
  auto subject =
      reinterpret_cast<PCRE2_SPTR>(stage.ranges ? text.data() : older.data());
  auto pass = [&](size_t begin, size_t end) {
    splitFrom(index + 1, text.substr(begin, end - begin),
              older.substr(begin, end - begin), sink);
  };
  size_t done = 0;
  while (done < text.size()) {
    int count = pcre2_match(stage.code, subject, text.size(), done,
                            PCRE2_NO_UTF_CHECK, stage.data, stage.context);
    if (count == PCRE2_ERROR_NOMATCH)
      break;
    if (count < 0)
      fail(ExitCode::Limit, "tokenizer: text too irregular to split, pattern "
                            "error " +
                                std::to_string(count));
    PCRE2_SIZE *range = pcre2_get_ovector_pointer(stage.data);
    // What no match covers is a piece of its own.
    pass(done, range[0]);
    pass(range[0], range[1]);
    done = range[1];
  }
  pass(done, text.size());
}

} // namespace heddle::rt
