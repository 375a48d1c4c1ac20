//===- Packer.cpp - Stored bits to the layout kernels read ----------------===//
#include "heddle/Driver/Packer.h"
#include "heddle/Import/Encoding.h"
#include "heddle/dialects/Heddle/Heddle.h"

using namespace heddle;
using namespace mlir;

int64_t heddle::packedBytes(RankedTensorType type) {
  if (auto packed = dyn_cast_or_null<PackedAttr>(type.getEncoding()))
    return packed.getBytes(type.getDimSize(0), type.getDimSize(1));
  return type.getNumElements() * 4;
}

llvm::Error heddle::packParameter(const import::TensorEntry &tensor, RankedTensorType type,
                                  llvm::function_ref<int64_t(int64_t)> storedRow, const ByteSink &sink) {
  auto packed = dyn_cast_or_null<PackedAttr>(type.getEncoding());
  if (!packed) {
    // A row is an element of a vector, or a row of a plain matrix.
    int64_t rowBytes = type.getNumElements() / type.getDimSize(0) * 4;
    for (int64_t i = 0; i < tensor.shape[0]; ++i)
      if (llvm::Error error = sink(tensor.bytes.slice(storedRow(i) * rowBytes, rowBytes)))
        return error;
    return llvm::Error::success();
  }
  const import::EncodingInfo &info = *import::findEncoding(tensor.encoding);
  EncAttr enc = packed.getEnc();
  int64_t n = type.getDimSize(0), k = type.getDimSize(1), rows = packed.getRows(), step = packed.getStep(), group = packed.getGroup(),
          groups = packed.getGroups(k), groupBytes = packed.getGroupBytes(), blocks = k / info.blockElems,
          perGroup = group / enc.getGroup();
  bool nibbles = enc.getElemBits() == 4;
  int64_t elem = nibbles ? 1 : enc.getElemBits() / 8;
  // A last group without an encoding's group behind it ends in zeros.
  std::vector<uint8_t> codes(groups * group * elem), panel(groups * groupBytes);
  std::vector<uint16_t> scales(groups * perGroup), mins(groups * perGroup);
  for (int64_t first = 0; first < n; first += rows) {
    std::fill(panel.begin(), panel.end(), 0);
    for (int64_t r = 0; r < std::min(rows, n - first); ++r) {
      const uint8_t *src = tensor.bytes.data() + storedRow(first + r) * blocks * info.blockBytes;
      info.decode(src, blocks, codes.data(), scales.data(), mins.data());
      for (int64_t g = 0; g < groups; ++g) {
        uint8_t *out = panel.data() + g * groupBytes;
        for (auto [has, halves] : {std::pair{enc.getScale(), &scales}, {enc.getMin(), &mins}}) {
          if (!has)
            continue;
          memcpy(out + r * 2, &(*halves)[g], 2);
          out += rows * 2;
        }
        const uint8_t *from = codes.data() + g * group * elem;
        for (int64_t j = 0; j < (nibbles ? group / 2 : group); ++j) {
          int64_t at = (j / step * rows + r) * step + j % step;
          if (nibbles)
            out[at] = from[j] | from[j + group / 2] << 4;
          else
            memcpy(out + at * elem, from + j * elem, elem);
        }
      }
    }
    if (llvm::Error error = sink(panel))
      return error;
  }
  return llvm::Error::success();
}
