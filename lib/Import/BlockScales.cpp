//===- BlockScales.cpp - Blocks whose scales are stored apart -------------===//
#include "BlockScales.h"
#include "heddle/Import/SpanReader.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace heddle::import {

static constexpr int64_t kBlockElems = 32, kCodeBytes = kBlockElems / 2;

static std::string text(llvm::ArrayRef<int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

llvm::Error joinBlockScales(ModelSource &source) {
  const MetaValue *method = source.findMeta("quantization_config.quant_method");
  if (!method || *method != MetaValue(std::string("mxfp4")))
    return llvm::Error::success();
  llvm::StringMap<TensorEntry *> entries;
  for (TensorEntry &tensor : source.tensors)
    entries[tensor.name] = &tensor;
  llvm::DenseSet<const TensorEntry *> joined;
  for (TensorEntry &codes : source.tensors) {
    llvm::StringRef stem = codes.name;
    if (!stem.consume_back("_blocks"))
      continue;
    std::vector<int64_t> groups = codes.shape;
    if (codes.encoding != "U8")
      return malformed(source.path, quoted(codes.name) + ".dtype",
                       codes.encoding, "U8");
    if (groups.size() < 3 || groups.back() != kCodeBytes)
      return malformed(
          source.path, "shape of tensor " + quoted(codes.name), text(groups),
          fmt::format("[..., K / {}, {}]", kBlockElems, kCodeBytes));
    groups.pop_back();
    std::string name = (stem + "_scales").str();
    const TensorEntry *scales = entries.lookup(name);
    if (!scales)
      return malformed(source.path, "tensor " + quoted(name), "absent",
                       "shape " + text(groups));
    if (scales->encoding != "U8")
      return malformed(source.path, quoted(name) + ".dtype", scales->encoding,
                       "U8");
    if (scales->shape != groups)
      return malformed(source.path, "shape of tensor " + quoted(name),
                       text(scales->shape), text(groups));
    codes.scales = scales->bytes;
    codes.encoding = "mxfp4";
    codes.shape = groups;
    codes.shape.back() *= kBlockElems;
    joined.insert(scales);
  }
  // In one pass, since entries move.
  std::vector<TensorEntry> kept;
  for (TensorEntry &tensor : source.tensors)
    if (!joined.contains(&tensor))
      kept.push_back(std::move(tensor));
  source.tensors = std::move(kept);
  return llvm::Error::success();
}

} // namespace heddle::import
