//===- Parameters.cpp - Which stored row a parameter's row is -------------===//
#include "heddle/Import/Parameters.h"
#include "heddle/Import/Encoding.h"
#include "mlir/IR/BuiltinAttributes.h"
#include <cassert>
#include <cstring>

namespace heddle::import {

PartName splitPart(llvm::StringRef name) {
  PartName whole{name}, split;
  llvm::StringRef rest;
  std::tie(split.base, rest) = name.rsplit('#');
  if (rest.consumeInteger(10, split.part) || !rest.consume_front("/") ||
      rest.consumeInteger(10, split.parts) || !rest.empty() || split.part < 0 ||
      split.parts < 1 || split.part >= split.parts)
    return whole;
  return split;
}

HeadPart splitHeads(llvm::StringRef name) {
  HeadPart p;
  llvm::StringRef rest;
  std::tie(p.base, rest) = name.rsplit('#');
  p.transposed = rest.consume_back("^T");
  constexpr int64_t kMost = int64_t(1) << 31;
  if (rest.consumeInteger(10, p.first) || !rest.consume_front(":") ||
      rest.consumeInteger(10, p.count) || !rest.consume_front("/") ||
      rest.consumeInteger(10, p.rows) || !rest.empty() || p.first < 0 ||
      p.count < 1 || p.rows > kMost || p.count > p.rows ||
      p.first > p.rows - p.count)
    return HeadPart{name};
  return p;
}

llvm::StringRef headEncoding(const HeadPart &part, llvm::StringRef encoding) {
  const EncodingInfo *info = findEncoding(encoding);
  return part.transposed && info && !isFloat(*info) ? "f32" : encoding;
}

llvm::StringRef StoredParameter::encoding() const {
  return headEncoding({"", 0, 0, 0, own != nullptr}, tensors.front()->encoding);
}

// The columns of each head's rows as rows.
static std::shared_ptr<std::vector<uint8_t>>
transposed(const TensorEntry &entry, const EncodingInfo &info,
           const HeadPart &part) {
  int64_t k = entry.shape[1], heads = entry.shape[0] / part.rows;
  bool plain = isFloat(info);
  int64_t size = plain ? info.blockBytes : 4,
          rowBytes = k / info.blockElems * info.blockBytes;
  auto out =
      std::make_shared<std::vector<uint8_t>>(heads * part.count * k * size);
  std::vector<float> decoded(k);
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t j = 0; j < part.count; ++j) {
      const uint8_t *row =
          entry.bytes.data() + (h * part.rows + part.first + j) * rowBytes;
      if (!plain) {
        dequantize(info, row, k / info.blockElems, decoded.data());
        row = reinterpret_cast<const uint8_t *>(decoded.data());
      }
      for (int64_t i = 0; i < k; ++i)
        memcpy(out->data() + ((h * k + i) * part.count + j) * size,
               row + i * size, size);
    }
  return out;
}

// Rows of heads: see the head of Parameters.h.
static std::optional<StoredParameter> findHeads(const ModelSource &source,
                                                const HeadPart &part) {
  const TensorEntry *entry = source.find(part.base);
  if (!entry || entry->shape.size() != 2 || entry->shape[0] % part.rows)
    return std::nullopt;
  StoredParameter p;
  p.tensors = {entry};
  int64_t heads = entry->shape[0] / part.rows, k = entry->shape[1];
  if (part.transposed) {
    const EncodingInfo *info = findEncoding(entry->encoding);
    if (!info)
      return std::nullopt;
    p.own = transposed(*entry, *info, part);
    p.shape = {heads, k, part.count};
  } else {
    p.part = part.first, p.parts = part.rows, p.headRows = part.count;
    p.shape = {heads, part.count, k};
  }
  return p;
}

std::string expertName(llvm::StringRef name, int64_t expert) {
  auto [before, after] = name.split('*');
  return (before + llvm::Twine(expert) + after).str();
}

std::optional<StoredParameter> findParameter(const ModelSource &source,
                                             llvm::StringRef name) {
  StoredParameter p;
  if (const TensorEntry *entry = source.find(name)) {
    p.tensors = {entry};
    p.shape = entry->shape;
    return p;
  }
  if (HeadPart heads = splitHeads(name); heads.rows)
    return findHeads(source, heads);
  PartName split = splitPart(name);
  p.part = split.part, p.parts = split.parts;
  bool perExpert = split.base.contains('*');
  if (!perExpert) {
    if (const TensorEntry *entry = source.find(split.base))
      p.tensors = {entry};
  } else {
    while (const TensorEntry *entry =
               source.find(expertName(split.base, p.tensors.size())))
      p.tensors.push_back(entry);
  }
  if (p.tensors.empty())
    return std::nullopt;
  const TensorEntry &first = *p.tensors.front();
  p.shape = first.shape;
  size_t rank = p.shape.size();
  if (rank < 2 || rank + perExpert > 3 || p.shape[rank - 2] % p.parts)
    return std::nullopt;
  p.shape[rank - 2] /= p.parts;
  if (perExpert)
    p.shape.insert(p.shape.begin(), p.tensors.size());
  for (const TensorEntry *entry : p.tensors)
    if (entry->shape != first.shape || entry->encoding != first.encoding)
      return std::nullopt;
  return p;
}

bool StoredParameter::fits(llvm::ArrayRef<int64_t> wanted) const {
  llvm::ArrayRef<int64_t> stored = shape;
  if (wanted.size() == 1 && stored.size() == 2 && stored[0] == 1)
    stored = stored.drop_front();
  return stored == wanted;
}

int64_t StoredParameter::numElements() const {
  int64_t n = 1;
  for (int64_t d : shape)
    n *= d;
  return n;
}

int64_t StoredParameter::numBytes() const {
  if (own)
    return own->size();
  if (headRows)
    return tensors.front()->bytes.size() / parts * headRows;
  int64_t n = 0;
  for (const TensorEntry *entry : tensors)
    n += entry->bytes.size();
  return n / parts;
}

const uint8_t *StoredParameter::row(int64_t row, int64_t width,
                                    int64_t rowBytes) const {
  if (own)
    return own->data() + row * rowBytes;
  if (headRows)
    return tensors.front()->bytes.data() +
           (row / headRows * parts + part + row % headRows) * rowBytes;
  if (shape.size() < 3)
    return tensors.front()->bytes.data() + row * rowBytes;
  int64_t rows = shape[1] * shape[2] / width, matrix = row / rows;
  int64_t at = part * rows + row % rows;
  if (tensors.size() == 1)
    return tensors.front()->bytes.data() +
           (matrix * rows * parts + at) * rowBytes;
  return tensors[matrix]->bytes.data() + at * rowBytes;
}

RowPermutations rowPermutations(mlir::ModuleOp module) {
  RowPermutations map;
  auto dict = module->getAttrOfType<mlir::DictionaryAttr>("heddle.unpermute");
  if (!dict)
    return map;
  for (mlir::NamedAttribute entry : dict)
    if (auto heads = llvm::dyn_cast<mlir::IntegerAttr>(entry.getValue()))
      if (heads.getInt() > 0)
        map[entry.getName().getValue()] = heads.getInt();
  return map;
}

int64_t permutedHeads(const RowPermutations &map, llvm::StringRef paramName) {
  uint64_t layer;
  if (!paramName.consume_front("blk.") || paramName.consumeInteger(10, layer) ||
      !paramName.consume_front("."))
    return 0;
  return map.lookup(paramName);
}

// Halved rather than doubled, which may overflow.
bool dividesRows(int64_t heads, int64_t rows) {
  return heads > 0 && rows % 2 == 0 && rows / 2 % heads == 0;
}

int64_t storedRow(const RowPermutations &map, llvm::StringRef paramName,
                  int64_t row, int64_t rows) {
  int64_t heads = permutedHeads(map, paramName);
  if (!heads)
    return row;
  assert(dividesRows(heads, rows) && "heads must divide the rows");
  int64_t dim = rows / heads, head = row / dim, at = row % dim;
  return head * dim + 2 * (at % (dim / 2)) + at / (dim / 2);
}

} // namespace heddle::import
