//===- Packer.cpp - Stored bits to the layout kernels read ----------------===//
#include "heddle/Driver/Packer.h"
#include "heddle/Import/Encoding.h"
#include "heddle/dialects/Heddle/Heddle.h"

using namespace heddle;
using namespace mlir;

int64_t heddle::packedBytes(RankedTensorType type) {
  if (auto packed = encodingOf<PackedAttr>(type))
    return packed.getBytes(type.getShape());
  return type.getNumElements() * 4;
}

llvm::Error
heddle::packParameter(const import::StoredParameter &stored,
                      RankedTensorType type,
                      llvm::function_ref<int64_t(int64_t)> storedRow,
                      const ByteSink &sink, std::optional<int64_t> matrix) {
  auto packed = encodingOf<PackedAttr>(type);
  if (!packed) {
    // A row is an element of a vector, or a row of a plain matrix. Narrower
    // floats are stored as the f32 that they are.
    const import::EncodingInfo &info = *import::findEncoding(stored.encoding());
    int64_t width = type.getNumElements() / type.getDimSize(0);
    std::vector<float> row(width);
    std::vector<uint8_t> scratch;
    for (int64_t i = 0; i < type.getDimSize(0); ++i) {
      import::dequantize(info, stored.row(storedRow(i), width, scratch), width,
                         row.data());
      if (llvm::Error error =
              sink({reinterpret_cast<const uint8_t *>(row.data()),
                    row.size() * sizeof(float)}))
        return error;
    }
    return llvm::Error::success();
  }
  const import::EncodingInfo &info = *import::findEncoding(stored.encoding());
  EncAttr enc = packed.getEnc();
  llvm::ArrayRef<int64_t> shape = type.getShape();
  int64_t n = shape[shape.size() - 2], k = shape.back(),
          matrices = shape.size() == 3 ? shape[0] : 1, rows = packed.getRows(),
          step = packed.getStep(), group = packed.getGroup(),
          blocks = packed.getBlocks(k), blockGroups = packed.getBlockGroups(),
          groups = blocks * blockGroups, sourceBlocks = k / info.blockElems,
          highBits = enc.getHighBits();
  bool nibbles = enc.isNibbles(), twoLevels = enc.getSuper() != 0;
  int64_t elem = nibbles ? 1 : enc.getElemBits() / 8;
  // A last group without an encoding's group behind it ends in zeros.
  std::vector<uint8_t> codes(groups * group * elem),
      panel(blocks * packed.getBlockBytes()), groupScales(groups),
      groupMins(groups), scratch;
  std::vector<uint16_t> scales(groups * (group / enc.getGroup())),
      mins(scales.size());
  int64_t panels = packed.getPanels(n);
  for (int64_t p = matrix.value_or(0) * panels,
               end = matrix ? p + panels : matrices * panels;
       p < end; ++p) {
    int64_t first = p % panels * rows, row0 = p / panels * n + first;
    std::fill(panel.begin(), panel.end(), 0);
    for (int64_t r = 0; r < std::min(rows, n - first); ++r) {
      const uint8_t *src = stored.row(storedRow(row0 + r), k, scratch);
      info.decode(src, sourceBlocks,
                  {codes.data(), scales.data(), mins.data(), groupScales.data(),
                   groupMins.data()});
      for (int64_t g = 0; g < groups; ++g) {
        int64_t block = g / blockGroups, inBlock = g % blockGroups;
        uint8_t *head = panel.data() + block * packed.getBlockBytes(),
                *out = head + packed.getHeadBytes() +
                       inBlock * packed.getGroupBytes();
        for (auto [has, halves, bytes] :
             {std::tuple{enc.getScale(), &scales, &groupScales},
              {enc.getMin(), &mins, &groupMins}}) {
          if (!has)
            continue;
          if (!twoLevels) {
            memcpy(out + r * 2, &(*halves)[g], 2);
            out += rows * 2;
            continue;
          }
          memcpy(head + r * 2, &(*halves)[block], 2);
          head += rows * 2;
          out[r] = (*bytes)[g];
          out += rows;
        }
        const uint8_t *from = codes.data() + g * group * elem;
        for (int64_t j = 0; j < (nibbles ? group / 2 : group); ++j) {
          int64_t at = (j / step * rows + r) * step + j % step;
          if (nibbles)
            out[at] = (from[j] & 15) | (from[j + group / 2] & 15) << 4;
          else
            memcpy(out + at * elem, from + j * elem, elem);
        }
        uint8_t *plane = out + packed.getPlaneStart();
        for (int64_t j = 0; highBits && j < group; ++j) {
          int64_t i = j / step, steps = packed.getPlaneSteps();
          plane[(i / steps * rows + r) * step + j % step] |=
              (from[j] >> 4) << (i % steps * highBits);
        }
      }
    }
    if (llvm::Error error = sink(panel))
      return error;
  }
  return llvm::Error::success();
}
