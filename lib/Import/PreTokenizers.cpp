//===- PreTokenizers.cpp - Published patterns by name ---------------------===//
#include "PreTokenizers.h"

namespace heddle::import {

// Patterns are compared as text: what an unknown one costs on a hostile text
// cannot be told in general. runtime/app/PreTokenizer.cpp has the stages.
static constexpr KnownPattern kPatterns[] = {
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
     "gpt2", true},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "llama3", true},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "qwen2", true},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "o200k", true},
    {R"(\p{N}{1,3})", "digits3", false},
    {R"(\p{N})", "digit", false},
    {R"(\p{N}+)", "digits", false},
    {R"([一-龥぀-ゟ゠-ヿ]+)", "cjk-kana", false},
    {"[!\"#$%&'()*+,\\-./"
     ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{"
     "M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
     "deepseek3", true},
    {"[\r\n]", "newline", false},
    {R"([\r\n])", "newline", false},
    {R"(\s?\p{L}+)", "letters", false},
    {R"(\s?\p{P}+)", "punctuation", false},
    {R"([一-龥ࠀ-一가-퟿]+)", "cjk-hangul", false},
    {R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)",
     "alphabets", false},
    {R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)", "ascii-punctuation", false},
    {R"(\s+$)", "spaces-end", false},
};

const KnownPattern *findPattern(llvm::StringRef regex) {
  for (const KnownPattern &pattern : kPatterns)
    if (regex == pattern.regex)
      return &pattern;
  return nullptr;
}

const KnownPre *findPre(llvm::StringRef name) {
  using Stages = std::vector<std::string>;
  static const Stages gpt2 = {"gpt2"}, llama3 = {"llama3"}, qwen2 = {"qwen2"};
  static const KnownPre known[] = {
      {"gpt2", gpt2},
      {"gpt-2", gpt2},
      {"smollm", {"digit-std", "gpt2"}},
      {"llama-bpe", llama3, true, true},
      {"llama3", llama3, true, true},
      {"llama-v3", llama3, true, true},
      {"qwen2", qwen2},
      {"deepseek-r1-qwen", qwen2},
      {"deepseek-llm",
       {"newline", "alphabets", "ascii-punctuation", "spaces-end", "cjk-hangul",
        "digits"}},
      {"deepseek-coder",
       {"newline", "letters", "punctuation", "cjk-hangul", "digit"}},
      {"deepseek-v3", {"digits3", "cjk-kana", "deepseek3"}},
      {"gpt-4o", {"o200k"}, true},
  };
  for (const KnownPre &pre : known)
    if (name == pre.name)
      return &pre;
  return nullptr;
}

} // namespace heddle::import
