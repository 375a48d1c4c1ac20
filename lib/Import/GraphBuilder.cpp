//===- GraphBuilder.cpp - What a family writes its graph with -------------===//
#include "heddle/Import/GraphBuilder.h"
#include "heddle/Import/Encoding.h"
#include "heddle/Import/SpanReader.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include <fmt/format.h>

using namespace mlir;

namespace heddle::import {

static std::string text(llvm::ArrayRef<int64_t> shape) {
  std::string out = "[";
  for (int64_t d : shape)
    out += (out.size() > 1 ? ", " : "") + std::to_string(d);
  return out + "]";
}

static StringRef word(ElemKind kind) {
  switch (kind) {
  case ElemKind::F32: return "f32";
  case ElemKind::F16: return "f16";
  case ElemKind::BF16: return "bf16";
  case ElemKind::I8: return "i8";
  case ElemKind::U4: return "u4";
  case ElemKind::U5: return "u5";
  case ElemKind::U6: return "u6";
  }
  llvm_unreachable("every element kind has a word");
}

static StringRef word(ScaleKind kind) {
  switch (kind) {
  case ScaleKind::F16: return "f16";
  case ScaleKind::U6: return "u6";
  case ScaleKind::I8: return "i8";
  }
  llvm_unreachable("every scale kind has a word");
}

// Anything of rank 1 is a plain f32 vector in the graph.
static bool isReadable(const TensorEntry &entry) {
  return findEncoding(entry.encoding) &&
         (entry.shape.size() != 1 || entry.encoding == "f32");
}

GraphBuilder::GraphBuilder(const ModelSource &source, ModuleOp module)
    : b(module.getContext()), module(module), source(source) {
  b.setInsertionPointToEnd(module.getBody());
  // By encoding, and whether only the rank is what is wrong.
  llvm::MapVector<std::pair<StringRef, unsigned>, std::pair<StringRef, int64_t>> unread;
  for (const TensorEntry &t : source.tensors)
    if (!isReadable(t)) {
      unsigned isVector = findEncoding(t.encoding) ? 1 : 0;
      auto at = unread.try_emplace({t.encoding, isVector}, t.name, 0).first;
      ++at->second.second;
    }
  for (auto &[what, tensors] : unread)
    unsupported(fmt::format("encoding {} of {} {}, the first {}", what.first.str(),
                            tensors.second,
                            what.second ? "tensors of rank 1" : "tensors",
                            quoted(tensors.first)));
}

//===----------------------------------------------------------------------===//
// Config
//===----------------------------------------------------------------------===//

void GraphBuilder::unsupported(const llvm::Twine &what) {
  unsupportedNotes.push_back(what.str());
}

void GraphBuilder::malformed(const llvm::Twine &field, const llvm::Twine &value,
                             const llvm::Twine &limit) {
  malformedNotes.push_back((field + " = " + value + ", limit " + limit).str());
}

static bool isArray(const MetaValue *value) {
  return value && (std::holds_alternative<std::vector<int64_t>>(*value) ||
                   std::holds_alternative<std::vector<double>>(*value));
}

// The value, or `fallback` with the failure's message, less the file, noted.
template <typename T>
static T noted(llvm::Expected<T> value, T fallback, StringRef path,
               std::vector<std::string> &notes) {
  if (value)
    return *value;
  std::string message = llvm::toString(value.takeError());
  StringRef rest = message;
  if (rest.consume_front(path))
    rest.consume_front(": ");
  notes.push_back(rest.str());
  return fallback;
}

int64_t GraphBuilder::integer(const llvm::Twine &key, int64_t min, int64_t max,
                              std::optional<int64_t> fallback) {
  std::string name = key.str();
  if (isArray(source.findMeta(name))) {
    unsupported(name + " that varies by layer");
    return min;
  }
  return noted(fallback ? source.getInt(name, min, max, *fallback)
                        : source.getInt(name, min, max),
               min, source.path, malformedNotes);
}

double GraphBuilder::number(const llvm::Twine &key, double min, double max,
                            std::optional<double> fallback) {
  std::string name = key.str();
  if (isArray(source.findMeta(name))) {
    unsupported(name + " that varies by layer");
    return min;
  }
  return noted(fallback ? source.getFloat(name, min, max, *fallback)
                        : source.getFloat(name, min, max),
               min, source.path, malformedNotes);
}

std::string GraphBuilder::string(const llvm::Twine &key, std::string fallback) {
  return noted(source.getString(key.str(), fallback), fallback, source.path,
               malformedNotes);
}

void GraphBuilder::refuseUnknownKeys(StringRef prefix,
                                     llvm::ArrayRef<StringRef> known) {
  for (const auto &[key, value] : source.metadata) {
    StringRef rest = key;
    if (rest.consume_front(prefix) && !llvm::is_contained(known, rest))
      unsupported("metadata " + quoted(key));
  }
}

llvm::Error GraphBuilder::check() const {
  constexpr size_t kMost = 16;
  bool bad = !malformedNotes.empty();
  const std::vector<std::string> &notes = bad ? malformedNotes : unsupportedNotes;
  if (notes.empty())
    return llvm::Error::success();
  std::string message = source.path + (bad ? ": " : ": unsupported: ");
  size_t shown = std::min(notes.size(), kMost);
  message += llvm::join(notes.begin(), notes.begin() + shown, "; ");
  if (notes.size() > shown)
    message += fmt::format("; and {} more", notes.size() - shown);
  return failure(bad ? ExitCode::Malformed : ExitCode::Unsupported, message);
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

Type GraphBuilder::typeOf(const TensorEntry &entry) const {
  Type f32 = Float32Type::get(b.getContext());
  if (entry.shape.size() == 1)
    return RankedTensorType::get(entry.shape, f32);
  EncAttr enc = encodingAttr(*b.getContext(), *findEncoding(entry.encoding));
  return RankedTensorType::get(entry.shape, f32, enc);
}

EncAttr encodingAttr(MLIRContext &context, const EncodingInfo &info) {
  const CanonicalEncoding &c = info.canonical;
  return EncAttr::get(&context, word(c.elem), c.group, c.hasScale, c.hasMin, c.offset, c.super, word(c.scales));
}

Type GraphBuilder::declare(StringRef name, llvm::ArrayRef<int64_t> shape) {
  declared.insert(name);
  const TensorEntry *entry = source.find(name);
  if (!entry) {
    malformed("tensor " + quoted(name), "absent", "shape " + text(shape));
    return {};
  }
  if (llvm::ArrayRef<int64_t>(entry->shape) != shape) {
    malformed("shape of tensor " + quoted(name), text(entry->shape), text(shape));
    return {};
  }
  if (!isReadable(*entry)) // noted by the constructor
    return {};
  return typeOf(*entry);
}

LayerStack GraphBuilder::declareLayers(int64_t count,
                                       llvm::ArrayRef<LayerTensor> tensors) {
  LayerStack stack;
  for (int64_t layer = 0; layer < count; ++layer) {
    LayerStack::Kind kind;
    for (const LayerTensor &t : tensors) {
      std::string name = fmt::format("blk.{}.{}", layer, t.suffix.str());
      if (t.optional && !has(name))
        continue;
      kind.suffixes.push_back(t.suffix);
      kind.types.push_back(declare(name, t.shape));
    }
    auto same = llvm::find_if(stack.kinds, [&](const LayerStack::Kind &k) {
      return k.suffixes == kind.suffixes && k.types == kind.types;
    });
    stack.order.push_back(same - stack.kinds.begin());
    if (same == stack.kinds.end())
      stack.kinds.push_back(std::move(kind));
  }
  return stack;
}

void GraphBuilder::refuseUndeclared() {
  for (const TensorEntry &t : source.tensors)
    if (!declared.contains(t.name))
      unsupported("tensor " + quoted(t.name));
}

//===----------------------------------------------------------------------===//
// Graph
//===----------------------------------------------------------------------===//

Location GraphBuilder::loc(StringRef name) const {
  return NameLoc::get(StringAttr::get(b.getContext(), name));
}

RankedTensorType GraphBuilder::activation(int64_t width) const {
  return RankedTensorType::get({ShapedType::kDynamic, width},
                               Float32Type::get(b.getContext()));
}

RankedTensorType GraphBuilder::ids() const {
  return RankedTensorType::get({ShapedType::kDynamic},
                               IntegerType::get(b.getContext(), 32));
}

Value GraphBuilder::param(StringRef name) {
  const TensorEntry *entry = source.find(name);
  assert(entry && declared.contains(name) && "declare the tensor first");
  return ParamOp::create(b, loc(name), typeOf(*entry), name);
}

func::FuncOp GraphBuilder::function(StringRef name, TypeRange inputs,
                                    TypeRange results, bool isPrivate) {
  b.setInsertionPointToEnd(module.getBody());
  auto func = func::FuncOp::create(b, loc(name), name,
                                   b.getFunctionType(inputs, results));
  if (isPrivate)
    func.setPrivate();
  b.setInsertionPointToEnd(func.addEntryBlock());
  return func;
}

Value GraphBuilder::Layer::operator[](StringRef suffix) const {
  auto it = llvm::find(kind->suffixes, suffix);
  return it == kind->suffixes.end() ? Value()
                                    : params[it - kind->suffixes.begin()];
}

ValueRange GraphBuilder::layers(StringRef name, const LayerStack &stack,
                                ValueRange carried, ValueRange shared,
                                LayerBody body) {
  SmallVector<Attribute> symbols, rows;
  {
    OpBuilder::InsertionGuard guard(b);
    for (auto [index, kind] : llvm::enumerate(stack.kinds)) {
      std::string symbol = index ? fmt::format("{}_{}", name.str(), index) : name.str();
      SmallVector<Type> inputs(carried.getTypes());
      inputs.push_back(b.getIndexType());
      llvm::append_range(inputs, shared.getTypes());
      llvm::append_range(inputs, kind.types);
      func::FuncOp func = function(symbol, inputs, carried.getTypes(), /*isPrivate=*/true);
      ValueRange args = func.getArguments();
      size_t n = carried.size(), s = shared.size();
      Layer layer{args.take_front(n), args[n], args.slice(n + 1, s), &kind,
                  args.drop_front(n + 1 + s)};
      func::ReturnOp::create(b, func.getLoc(), body(layer));
      symbols.push_back(FlatSymbolRefAttr::get(b.getContext(), symbol));
    }
  }
  for (auto [layer, index] : llvm::enumerate(stack.order)) {
    SmallVector<Attribute> row;
    for (StringRef suffix : stack.kinds[index].suffixes)
      row.push_back(b.getStringAttr(fmt::format("blk.{}.{}", layer, suffix.str())));
    rows.push_back(b.getArrayAttr(row));
  }
  return LayersOp::create(b, loc(name), carried.getTypes(), carried, shared,
                          b.getArrayAttr(symbols), llvm::ArrayRef<int32_t>(stack.order),
                          b.getArrayAttr(rows))
      .getResults();
}

} // namespace heddle::import
