//===- PreTokenizer.cpp - Splitting text before BPE -----------------------===//

#include "PreTokenizer.h"
#include "UnicodeExtra.h"
#include "heddle/runtime/Failure.h"
#include <cstdint>
#include <cstring>
#include <pcre2.h>

namespace heddle::rt {

namespace {

// Class members, to be used inside [ ]. PCRE2's \s has U+180E, which is not
// White_Space; its letters and numbers are those of the Unicode version it was
// built for, so newer ones are added by range.
#define SPACE                                                                  \
  "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}"    \
  "\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define LETTER "\\p{L}" HEDDLE_EXTRA_LETTERS
#define NUMBER "\\p{N}" HEDDLE_EXTRA_NUMBERS
#define SPACES "[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+"
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"

constexpr char kGpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?[" LETTER "]+| ?[" NUMBER
                         "]+| ?[^" SPACE LETTER NUMBER "]+|" SPACES;
constexpr char kOneNumber[] = "[" NUMBER "]";
constexpr char kLlama3[] =
    CONTRACTIONS "|[^\\r\\n" LETTER NUMBER "]?[" LETTER "]+|[" NUMBER
                 "]{1,3}| ?[^" SPACE LETTER NUMBER "]+[\\r\\n]*|[" SPACE
                 "]*[\\r\\n]+|" SPACES;
constexpr char kQwen2[] = CONTRACTIONS
    "|[^\\r\\n" LETTER NUMBER "]?[" LETTER "]+|[" NUMBER
    "]| ?[^" SPACE LETTER NUMBER "]+[\\r\\n]*|[" SPACE "]*[\\r\\n]+|" SPACES;

struct Rule {
  const char *name;
  const char *patterns[2]; // applied one after the other; null: no more
  bool ignoreMerges;
};

constexpr Rule kRules[] = {
    {"gpt2", {kGpt2, nullptr}, false},
    {"gpt-2", {kGpt2, nullptr}, false},
    {"smollm", {kOneNumber, kGpt2}, false},
    {"llama-bpe", {kLlama3, nullptr}, true},
    {"qwen2", {kQwen2, nullptr}, false},
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

  explicit Stage(const char *pattern) {
    int error = 0;
    PCRE2_SIZE at = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern),
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

PreTokenizer::PreTokenizer(const std::string &name) {
  std::string known;
  for (const Rule &rule : kRules) {
    known += (known.empty() ? "" : ", ") + std::string(rule.name);
    if (name != rule.name)
      continue;
    wholePieces = rule.ignoreMerges;
    for (const char *pattern : rule.patterns)
      if (pattern)
        stages.push_back(std::make_unique<Stage>(pattern));
    return;
  }
  fail(ExitCode::Unsupported,
       "tokenizer: pre = " + name + ", limit one of " + known,
       "token ids need no tokenizer: `--tokens=1,2,3`");
}

PreTokenizer::~PreTokenizer() = default;

void PreTokenizer::split(std::string_view text, const Sink &sink) const {
  splitFrom(0, text, sink);
}

void PreTokenizer::splitFrom(size_t index, std::string_view text,
                             const Sink &sink) const {
  if (text.empty())
    return;
  if (index == stages.size())
    return sink(text);
  const Stage &stage = *stages[index];
  auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
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
    size_t begin = range[0], end = range[1];
    // What no match covers is a piece of its own.
    splitFrom(index + 1, text.substr(done, begin - done), sink);
    splitFrom(index + 1, text.substr(begin, end - begin), sink);
    done = end;
  }
  splitFrom(index + 1, text.substr(done), sink);
}

} // namespace heddle::rt
