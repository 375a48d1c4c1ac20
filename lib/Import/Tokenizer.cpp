//===- Tokenizer.cpp - The tables of a tokenizer --------------------------===//
#include "heddle/Import/Tokenizer.h"
#include "TokenIndex.h"
#include "heddle/Import/SpanReader.h"

using llvm::json::Array;

namespace heddle::import {

TokenIndex::TokenIndex(const std::vector<std::string> &tokens)
    : ids(tokens.size()) {
  for (size_t i = 0; i < tokens.size(); ++i)
    if (!tokens[i].empty())
      ids.try_emplace(tokens[i], i);
}

std::optional<int64_t> TokenIndex::find(llvm::StringRef text) const {
  auto it = ids.find(text);
  return it == ids.end() ? std::nullopt : std::optional(it->second);
}

llvm::Expected<Tokenizer::Merge> TokenIndex::merge(llvm::StringRef file,
                                                   const llvm::Twine &field,
                                                   llvm::StringRef left,
                                                   llvm::StringRef right,
                                                   int64_t rank) const {
  auto first = find(left), second = find(right),
       both = find((left + right).str());
  if (!first || !second)
    return malformed(file, field, quoted(first ? right : left),
                     "tokens of the vocabulary");
  if (!both)
    return malformed(file, field, quoted((left + right).str()),
                     "pairs that make a token of the vocabulary");
  return Tokenizer::Merge{*first, *second, *both, rank};
}

llvm::json::Value Tokenizer::section() const {
  llvm::json::Object out{
      {"model", model}, {"add_bos", addBos}, {"add_eos", addEos}};
  Array texts, kinds, pairs, ranks, added;
  for (const std::string &token : tokens)
    texts.push_back(llvm::json::fixUTF8(token));
  for (TokenType type : types)
    kinds.push_back(int64_t(type));
  bool inOrder = true;
  for (auto [i, merge] : llvm::enumerate(merges)) {
    for (int64_t id : {merge.left, merge.right, merge.merged})
      pairs.push_back(id);
    ranks.push_back(merge.rank);
    inOrder &= merge.rank == int64_t(i);
  }
  for (const Matching &m : matching)
    for (int64_t value :
         {m.id, int64_t(m.lstrip + 2 * m.rstrip + 4 * m.normalized)})
      added.push_back(value);
  out["tokens"] = std::move(texts);
  out["token_types"] = std::move(kinds);
  out["merges"] = std::move(pairs);
  if (!inOrder)
    out["merge_ranks"] = std::move(ranks);
  if (!added.empty())
    out["matching"] = std::move(added);
  out["pre"] = Array(pre);
  out["eos"] = Array(eos);
  for (auto [value, name] :
       {std::pair{bos, "bos"}, {unknown, "unk"}, {padding, "pad"}})
    if (value)
      out[name] = *value;
  for (auto [set, name] : {std::pair{ignoreMerges, "ignore_merges"},
                           {nfc, "nfc"},
                           {nfkc, "nfkc"},
                           {prefixIfAbsent, "prefix_if_absent"},
                           {splitSpaces, "split_spaces"},
                           {byteFallback, "byte_fallback"},
                           {fuseUnknown, "fuse_unk"}})
    if (set)
      out[name] = true;
  if (prefix != Prefix::Never)
    out["prefix"] = prefix == Prefix::First ? "first" : "always";
  return out;
}

} // namespace heddle::import
