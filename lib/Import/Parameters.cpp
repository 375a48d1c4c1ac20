//===- Parameters.cpp - Which stored row a parameter's row is -------------===//
#include "heddle/Import/Parameters.h"
#include "heddle/Import/Encoding.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/STLExtras.h"
#include <cassert>
#include <cstring>
#include <iterator>

namespace heddle::import {

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

// Takes the step at the front of `text`.
static std::optional<ViewStep> takeStep(llvm::StringRef &text) {
  constexpr int64_t kMost = int64_t(1) << 31;
  if (text.consume_front("^T"))
    return ViewStep{ViewStep::Transposed};
  ViewStep s{ViewStep::Part};
  if (!text.consume_front("#") || text.consumeInteger(10, s.first))
    return std::nullopt;
  if (text.consume_front(":")) {
    s.kind = ViewStep::Heads;
    if (text.consumeInteger(10, s.count) || !text.consume_front("/") ||
        text.consumeInteger(10, s.of) || s.count < 1 || s.count > s.of)
      return std::nullopt;
  } else {
    s.count = 1;
    if (text.consume_front("%"))
      s.kind = ViewStep::Every;
    else if (!text.consume_front("/"))
      return std::nullopt;
    if (text.consumeInteger(10, s.of))
      return std::nullopt;
  }
  if (s.of < 1 || s.of > kMost || s.first < 0 || s.first > s.of - s.count)
    return std::nullopt;
  return s;
}

ViewName splitView(llvm::StringRef name) {
  size_t at = name.find_first_of("#^");
  ViewName view{name.take_front(at), {}};
  llvm::StringRef rest = name.substr(view.base.size());
  while (!rest.empty()) {
    std::optional<ViewStep> step = takeStep(rest);
    if (!step)
      return {name, {}};
    view.steps.push_back(*step);
  }
  return view;
}

bool ViewName::transposes() const {
  return llvm::any_of(steps, [](const ViewStep &step) {
    return step.kind == ViewStep::Transposed;
  });
}

llvm::SmallVector<int64_t>
ViewName::stored(llvm::ArrayRef<int64_t> shape) const {
  llvm::SmallVector<int64_t> out(shape);
  for (const ViewStep &step : llvm::reverse(steps)) {
    size_t rows = out.size() - 2;
    if (step.kind == ViewStep::Transposed) {
      std::swap(out[rows], out[rows + 1]);
    } else if (step.kind == ViewStep::Heads) {
      out[0] *= step.of;
      out.erase(out.begin() + 1);
    } else {
      out[rows] *= step.of;
    }
  }
  return out;
}

llvm::StringRef ViewName::encoding(llvm::StringRef encoding) const {
  const EncodingInfo *info = findEncoding(encoding);
  return transposes() && info && !isFloat(*info) ? "f32" : encoding;
}

std::string expertName(llvm::StringRef name, int64_t expert) {
  auto [before, after] = name.split('*');
  return (before + llvm::Twine(expert) + after).str();
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

// False if the shape has no such part.
bool StoredParameter::take(const ViewStep &step) {
  auto &[m, n, k] = dims;
  if (step.kind == ViewStep::Transposed) {
    std::swap(n, k);
    std::swap(strides[1], strides[2]);
    return true;
  }
  if (n % step.of)
    return false;
  if (step.kind == ViewStep::Heads) {
    if (shape.size() != 2 || tensors.size() != 1)
      return false;
    m = n / step.of;
    n = step.count;
    strides[0] = step.of * strides[1];
    first += step.first * strides[1];
    shape.resize(3);
    return true;
  }
  n /= step.of;
  first += step.first * (step.kind == ViewStep::Every ? 1 : n) * strides[1];
  if (step.kind == ViewStep::Every)
    strides[1] *= step.of;
  return true;
}

std::optional<StoredParameter> findParameter(const ModelSource &source,
                                             llvm::StringRef name) {
  StoredParameter p;
  ViewName view{name, {}};
  if (const TensorEntry *entry = source.find(name)) {
    p.tensors = {entry};
  } else {
    view = splitView(name);
    if (!view.base.contains('*')) {
      if (const TensorEntry *entry = source.find(view.base))
        p.tensors = {entry};
    } else {
      while (const TensorEntry *entry =
                 source.find(expertName(view.base, p.tensors.size())))
        p.tensors.push_back(entry);
    }
  }
  if (p.tensors.empty())
    return std::nullopt;
  const TensorEntry &first = *p.tensors.front();
  for (const TensorEntry *entry : p.tensors)
    if (entry->shape != first.shape || entry->encoding != first.encoding)
      return std::nullopt;
  bool perExpert = view.base.contains('*');
  p.shape = first.shape;
  size_t rank = p.shape.size();
  if (perExpert)
    p.shape.insert(p.shape.begin(), p.tensors.size());
  if (p.shape.size() > 3 || ((perExpert || view.steps.size()) && rank < 2))
    return std::nullopt; // of no parameter's shape
  std::copy_backward(p.shape.begin(), p.shape.end(), std::end(p.dims));
  p.strides[1] = p.dims[2];
  p.strides[0] = p.dims[1] * p.dims[2];
  for (const ViewStep &step : view.steps)
    if (!p.take(step))
      return std::nullopt;
  std::copy_backward(std::end(p.dims) - p.shape.size(), std::end(p.dims),
                     p.shape.end());
  const EncodingInfo *info = findEncoding(first.encoding);
  if (info && view.encoding(first.encoding) != first.encoding)
    p.decodeAll(*info);
  return p;
}

bool StoredParameter::fits(llvm::ArrayRef<int64_t> wanted) const {
  llvm::ArrayRef<int64_t> stored = shape;
  if (wanted.size() == 1 && stored.size() == 2 && stored[0] == 1)
    stored = stored.drop_front();
  return stored == wanted;
}

llvm::StringRef StoredParameter::encoding() const {
  return decoded ? llvm::StringRef("f32") : tensors.front()->encoding;
}

int64_t StoredParameter::numElements() const {
  int64_t n = 1;
  for (int64_t d : shape)
    n *= d;
  return n;
}

int64_t StoredParameter::numBytes() const {
  const EncodingInfo *info = findEncoding(encoding());
  return info ? numElements() / info->blockElems * info->blockBytes : 0;
}

// `count` blocks of a tensor from the `block`-th on: where they are, or put
// together of what is stored apart.
static const uint8_t *blocksOf(const TensorEntry &tensor,
                               const EncodingInfo &info, int64_t block,
                               int64_t count, std::vector<uint8_t> &scratch) {
  if (tensor.scales.empty())
    return tensor.bytes.data() + block * info.blockBytes;
  // Scales of a byte, and codes of four bits whose elements 2i and 2i + 1 share
  // byte i: those of a block have i and i + half.
  int64_t size = info.blockBytes - 1;
  scratch.resize(count * info.blockBytes);
  for (int64_t b = 0; b < count; ++b) {
    const uint8_t *from = tensor.bytes.data() + (block + b) * size;
    uint8_t *to = scratch.data() + b * info.blockBytes;
    *to++ = tensor.scales[block + b];
    auto code = [&](int64_t i) { return from[i / 2] >> i % 2 * 4 & 15; };
    for (int64_t i = 0; i < size; ++i)
      to[i] = code(i) | code(size + i) << 4;
  }
  return scratch.data();
}

void StoredParameter::decodeAll(const EncodingInfo &info) {
  int64_t width = tensors.front()->shape.back(),
          blocks = width / info.blockElems;
  decoded = std::make_shared<std::vector<float>>(numElements());
  std::vector<float> row(width);
  std::vector<uint8_t> scratch;
  // A stored row holds one k of many n, so that few are decoded twice.
  for (int64_t m = 0; m < dims[0]; ++m) {
    int64_t last = -1;
    for (int64_t k = 0; k < dims[2]; ++k)
      for (int64_t n = 0; n < dims[1]; ++n) {
        int64_t from = at(m, n, k), stored = from / width;
        if (stored != last)
          dequantize(
              info,
              blocksOf(tensorOf(m), info, stored * blocks, blocks, scratch),
              blocks, row.data());
        last = stored;
        (*decoded)[(m * dims[1] + n) * dims[2] + k] = row[from % width];
      }
  }
}

// Elements of type T, `stride` apart.
template <typename T>
static void gather(const uint8_t *from, int64_t stride, int64_t count,
                   uint8_t *to) {
  for (int64_t i = 0; i < count; ++i)
    memcpy(to + i * sizeof(T), from + i * stride * sizeof(T), sizeof(T));
}

const uint8_t *StoredParameter::row(int64_t row, int64_t width,
                                    std::vector<uint8_t> &scratch) const {
  int64_t element = row * width;
  if (decoded)
    return reinterpret_cast<const uint8_t *>(decoded->data() + element);
  int64_t k = element % dims[2], n = element / dims[2] % dims[1],
          m = element / dims[2] / dims[1];
  const TensorEntry &tensor = tensorOf(m);
  const EncodingInfo &info = *findEncoding(tensor.encoding);
  int64_t from = at(m, n, k), size = info.blockBytes;
  if (strides[2] == 1)
    return blocksOf(tensor, info, from / info.blockElems,
                    width / info.blockElems, scratch);
  // Floats of a column.
  scratch.resize(width * size);
  auto take = size == 4 ? gather<uint32_t> : gather<uint16_t>;
  take(tensor.bytes.data() + from * size, strides[2], width, scratch.data());
  return scratch.data();
}

//===----------------------------------------------------------------------===//
// Permuted rows
//===----------------------------------------------------------------------===//

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
