//===- GraphBuilder.cpp - What a family writes its graph with -------------===//
#include "heddle/Import/GraphBuilder.h"
#include "heddle/Import/Encoding.h"
#include "heddle/Import/Parameters.h"
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
  case ElemKind::F32:
    return "f32";
  case ElemKind::F16:
    return "f16";
  case ElemKind::BF16:
    return "bf16";
  case ElemKind::I8:
    return "i8";
  case ElemKind::U4:
    return "u4";
  case ElemKind::U5:
    return "u5";
  case ElemKind::U6:
    return "u6";
  }
  llvm_unreachable("every element kind has a word");
}

static StringRef word(ScaleKind kind) {
  switch (kind) {
  case ScaleKind::F16:
    return "f16";
  case ScaleKind::BF16:
    return "bf16";
  case ScaleKind::U6:
    return "u6";
  case ScaleKind::I8:
    return "i8";
  }
  llvm_unreachable("every scale kind has a word");
}

// Anything of rank 1 is a plain f32 vector in the graph, whatever floats the
// file has.
static bool isReadable(const TensorEntry &entry) {
  const EncodingInfo *info = findEncoding(entry.encoding);
  return info && (entry.shape.size() != 1 || isFloat(*info));
}

// What the format calls GGUF's `name`.
static StringRef mapped(StringRef name,
                        llvm::ArrayRef<TensorNames::Pair> pairs) {
  auto it = llvm::find_if(
      pairs, [&](const TensorNames::Pair &pair) { return pair.first == name; });
  return it == pairs.end() ? StringRef() : it->second;
}

std::string TensorNames::stored(StringRef name) const {
  std::string prefix;
  SmallVector<llvm::ArrayRef<Pair>> tables = {model};
  if (name.consume_front("blk.")) {
    StringRef number;
    std::tie(number, name) = name.split('.');
    prefix = (layerPrefix + number + ".").str();
    tables = {layer, experts, shared};
  }
  auto [stem, tail] = name.rsplit('.');
  StringRef own;
  for (llvm::ArrayRef<Pair> table : tables) {
    if (StringRef whole = mapped(name, table); !whole.empty())
      return prefix + whole.str();
    if (own.empty())
      own = mapped(stem, table);
  }
  if (!splitView(own).steps.empty()) // the whole name
    return prefix + own.str();
  return (prefix + (own.empty() ? stem : own) + "." + tail).str();
}

// Whether a table's pair has what a file calls `stored`, less the layer's
// prefix.
static bool isNameOf(TensorNames::Pair pair, StringRef stored) {
  StringRef own = pair.second;
  ViewName view = splitView(own);
  if (!view.steps.empty() || pair.first.contains('.'))
    return view.base == stored;
  StringRef stem = stored.rsplit('.').first;
  if (!own.contains('*'))
    return own == stem;
  auto [before, after] = own.split('*');
  return stem.consume_front(before) && stem.consume_back(after) &&
         !stem.empty() && llvm::all_of(stem, llvm::isDigit);
}

bool TensorNames::knows(StringRef stored) const {
  auto any = [&](llvm::ArrayRef<Pair> pairs) {
    return llvm::any_of(
        pairs, [&](const Pair &pair) { return isNameOf(pair, stored); });
  };
  uint64_t number;
  if (stored.consume_front(layerPrefix))
    return !stored.consumeInteger(10, number) && stored.consume_front(".") &&
           (any(layer) || any(experts) || any(shared));
  return any(model);
}

GraphBuilder::GraphBuilder(const ModelSource &source, ModuleOp module,
                           TensorNames names)
    : b(module.getContext()), module(module), source(source), names(names) {
  b.setInsertionPointToEnd(module.getBody());
  // By encoding, and whether only the rank is what is wrong.
  llvm::MapVector<std::pair<StringRef, unsigned>, std::pair<StringRef, int64_t>>
      unread;
  for (const TensorEntry &t : source.tensors)
    if (!isReadable(t) && (names.model.empty() || names.knows(t.name))) {
      // No scheme stores a weight's numbers in these; F32 called I32 is a lie.
      if (source.format == "huggingface" &&
          llvm::is_contained({"I16", "U16", "I32", "U32", "I64", "U64", "BOOL"},
                             t.encoding)) {
        malformedTensor(quoted(t.name) + ".dtype", t.encoding,
                        "F32, F16 or BF16");
        continue;
      }
      unsigned isVector = findEncoding(t.encoding) ? 1 : 0;
      auto at = unread.try_emplace({t.encoding, isVector}, t.name, 0).first;
      ++at->second.second;
    }
  for (auto &[what, tensors] : unread)
    unsupportedNotes.push_back(
        {source.path, fmt::format("encoding {} of {} {}, the first {}",
                                  what.first.str(), tensors.second,
                                  what.second ? "tensors of rank 1" : "tensors",
                                  quoted(tensors.first))});
}

//===----------------------------------------------------------------------===//
// Config
//===----------------------------------------------------------------------===//

void GraphBuilder::unsupported(const llvm::Twine &what) {
  unsupportedNotes.push_back({source.metadataFile().str(), what.str()});
}

void GraphBuilder::ignored(const llvm::Twine &what) {
  ignoredNotes.push_back(what.str());
}

void GraphBuilder::malformed(const llvm::Twine &field, const llvm::Twine &value,
                             const llvm::Twine &limit) {
  malformedNotes.push_back(
      {source.metadataFile().str(),
       (field + " = " + value + ", limit " + limit).str()});
}

void GraphBuilder::malformedTensor(const llvm::Twine &name,
                                   const llvm::Twine &value,
                                   const llvm::Twine &limit) {
  malformedNotes.push_back(
      {source.path, (name + " = " + value + ", limit " + limit).str()});
}

// A value for each layer; an empty list is none.
static bool isArray(const MetaValue *value) {
  if (!value)
    return false;
  const auto *ints = std::get_if<std::vector<int64_t>>(value);
  const auto *floats = std::get_if<std::vector<double>>(value);
  return (ints && !ints->empty()) || (floats && !floats->empty());
}

// The value, or `fallback` with the failure's message, less the file, noted.
template <typename T>
T GraphBuilder::noted(llvm::Expected<T> value, T fallback) {
  if (value)
    return *value;
  std::string message = llvm::toString(value.takeError());
  StringRef rest = message;
  if (rest.consume_front(source.metadataFile()))
    rest.consume_front(": ");
  malformedNotes.push_back({source.metadataFile().str(), rest.str()});
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
               min);
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
               min);
}

std::string GraphBuilder::string(const llvm::Twine &key, std::string fallback) {
  return noted(source.getString(key.str(), fallback), fallback);
}

bool GraphBuilder::boolean(const llvm::Twine &key, bool fallback) {
  return noted(source.getBool(key.str(), fallback), fallback);
}

std::vector<std::string> GraphBuilder::strings(const llvm::Twine &key) {
  return noted(source.getStrings(key.str()), {});
}

std::vector<double> GraphBuilder::numbers(const llvm::Twine &key, double min,
                                          double max) {
  const MetaValue *value = source.findMeta(key.str());
  if (!value)
    return {};
  std::vector<double> list;
  if (const auto *floats = std::get_if<std::vector<double>>(value))
    list = *floats;
  else if (const auto *ints = std::get_if<std::vector<int64_t>>(value))
    list.assign(ints->begin(), ints->end());
  if (!list.empty() &&
      llvm::all_of(list, [&](double x) { return x >= min && x <= max; }))
    return list;
  malformed(key, list.empty() ? "no list of numbers" : "a number outside",
            fmt::format("numbers in [{}, {}]", min, max));
  return {};
}

std::vector<std::string> GraphBuilder::keys() const {
  auto keys = llvm::make_first_range(source.metadata);
  return {keys.begin(), keys.end()};
}

bool GraphBuilder::hasPrefix(StringRef prefix) const {
  return llvm::any_of(source.metadata, [&](const auto &pair) {
    return StringRef(pair.first).starts_with(prefix);
  });
}

bool GraphBuilder::hasValue(StringRef key) const {
  const MetaValue *value = source.findMeta(key);
  return value && !std::holds_alternative<std::monostate>(*value);
}

bool GraphBuilder::isEmptyList(StringRef key) const {
  const MetaValue *value = source.findMeta(key);
  return value &&
         std::visit(
             [](const auto &v) {
               using T = std::decay_t<decltype(v)>;
               if constexpr (std::is_same_v<T, std::vector<int64_t>> ||
                             std::is_same_v<T, std::vector<double>> ||
                             std::is_same_v<T, std::vector<std::string>>)
                 return v.empty();
               return false;
             },
             *value);
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
  llvm::ArrayRef<Note> notes = bad ? malformedNotes : unsupportedNotes;
  if (notes.empty())
    return llvm::Error::success();
  std::string message =
      notes[0].file + (bad ? ": " : ": unsupported: ") + notes[0].text;
  for (size_t i = 1; i < std::min(notes.size(), kMost); ++i)
    message +=
        "; " +
        (notes[i].file == notes[i - 1].file ? "" : notes[i].file + ": ") +
        notes[i].text;
  if (notes.size() > kMost)
    message += fmt::format("; and {} more", notes.size() - kMost);
  return failure(bad ? ExitCode::Malformed : ExitCode::Unsupported, message);
}

void GraphBuilder::warn() const {
  constexpr size_t kMost = 8;
  if (ignoredNotes.empty())
    return;
  size_t shown = std::min(ignoredNotes.size(), kMost);
  std::string message =
      llvm::join(ignoredNotes.begin(), ignoredNotes.begin() + shown, ", ");
  if (ignoredNotes.size() > shown)
    message += fmt::format(" and {} more", ignoredNotes.size() - shown);
  heddle::warning(source.path + ": ignored: " + message);
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

Type GraphBuilder::typeOf(llvm::ArrayRef<int64_t> shape,
                          StringRef encoding) const {
  Type f32 = Float32Type::get(b.getContext());
  if (shape.size() == 1)
    return RankedTensorType::get(shape, f32);
  return RankedTensorType::get(
      shape, f32, encodingAttr(*b.getContext(), *findEncoding(encoding)));
}

EncAttr encodingAttr(MLIRContext &context, const EncodingInfo &info) {
  const CanonicalEncoding &c = info.canonical;
  DenseI8ArrayAttr table;
  if (c.table)
    table = DenseI8ArrayAttr::get(&context, ArrayRef(c.table, 16));
  return EncAttr::get(&context, word(c.elem), c.group, c.hasScale, c.hasMin,
                      c.offset, c.super, word(c.scales), table);
}

const TensorEntry *GraphBuilder::expect(StringRef stored,
                                        llvm::ArrayRef<int64_t> shape) {
  declared.insert(stored);
  const TensorEntry *entry = source.find(stored);
  if (!entry) {
    malformedTensor("tensor " + quoted(stored), "absent",
                    "shape " + text(shape));
    return nullptr;
  }
  // A vector may be stored as a matrix of one row.
  llvm::ArrayRef<int64_t> found = entry->shape;
  if (shape.size() == 1 && found.size() == 2 && found[0] == 1)
    found = found.drop_front();
  if (found != shape) {
    malformedTensor("shape of tensor " + quoted(stored), text(entry->shape),
                    text(shape));
    return nullptr;
  }
  const EncodingInfo *info = findEncoding(entry->encoding);
  if (info && shape.size() == 1 && entry->shape.size() != 1 && !isFloat(*info))
    unsupportedNotes.push_back({source.path, "encoding " + entry->encoding +
                                                 " of " + quoted(stored) +
                                                 ", a vector"});
  else if (isReadable(*entry)) // else noted by the constructor
    return entry;
  return nullptr;
}

Type GraphBuilder::declare(StringRef name, llvm::ArrayRef<int64_t> shape) {
  std::string stored = names.stored(name);
  ViewName view = splitView(stored);
  StringRef encoding;
  if (view.base.contains('*')) {
    // One tensor an expert, all alike, and no more than there are.
    bool whole = true;
    for (int64_t e = 0; e < shape[0]; ++e) {
      const TensorEntry *entry =
          expect(expertName(stored, e), shape.drop_front());
      whole &= entry != nullptr;
      if (!entry)
        continue;
      if (encoding.empty())
        encoding = entry->encoding;
      if (entry->encoding != encoding) {
        unsupportedNotes.push_back(
            {source.path, "encoding " + entry->encoding + " of " +
                              quoted(entry->name) + " beside experts in " +
                              encoding.str()});
        whole = false;
      }
    }
    if (const TensorEntry *more = source.find(expertName(stored, shape[0]))) {
      malformedTensor("tensor " + quoted(more->name), "present",
                      llvm::Twine(shape[0]) + " experts");
      whole = false;
    }
    return whole ? typeOf(shape, encoding) : Type();
  }
  const TensorEntry *entry = expect(view.base, view.stored(shape));
  if (!entry)
    return Type();
  // A bias is plain, also one an expert.
  if (name.ends_with(".bias") && shape.size() > 1) {
    if (isFloat(*findEncoding(entry->encoding)))
      return RankedTensorType::get(shape, b.getF32Type());
    unsupportedNotes.push_back({source.path, "encoding " + entry->encoding +
                                                 " of " + quoted(entry->name) +
                                                 ", a bias"});
    return Type();
  }
  return typeOf(shape, view.encoding(entry->encoding));
}

LayerStack GraphBuilder::declareLayers(int64_t count,
                                       llvm::ArrayRef<LayerTensor> tensors,
                                       llvm::ArrayRef<int64_t> variants) {
  return declareLayers(
      count, [&](int64_t) { return SmallVector<LayerTensor>(tensors); },
      variants);
}

LayerStack GraphBuilder::declareLayers(
    int64_t count,
    llvm::function_ref<SmallVector<LayerTensor>(int64_t layer)> tensors,
    llvm::ArrayRef<int64_t> variants) {
  LayerStack stack;
  for (int64_t layer = 0; layer < count; ++layer) {
    LayerStack::Kind kind;
    kind.variant = variants.empty() ? 0 : variants[layer];
    for (const LayerTensor &t : tensors(layer)) {
      std::string name = fmt::format("blk.{}.{}", layer, t.suffix.str());
      if (t.optional && !has(name))
        continue;
      kind.suffixes.push_back(t.suffix);
      kind.types.push_back(declare(name, t.shape));
    }
    auto same = llvm::find_if(stack.kinds, [&](const LayerStack::Kind &k) {
      return k.suffixes == kind.suffixes && k.types == kind.types &&
             k.variant == kind.variant;
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
      unsupportedNotes.push_back({source.path, "tensor " + quoted(t.name)});
}

void GraphBuilder::ignoreUndeclared(
    llvm::function_ref<bool(StringRef)> contradicts) {
  bool found = false;
  for (const TensorEntry &t : source.tensors) {
    if (declared.contains(t.name))
      continue;
    if (!contradicts(t.name))
      ignored("tensor " + quoted(t.name));
    else if (!std::exchange(found, true))
      malformedTensor("tensor " + quoted(t.name), "present",
                      "what the config says of its layer");
  }
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
  const TensorEntry *entry = find(name);
  assert(entry && declared.contains(entry->name) && "declare the tensor first");
  return ParamOp::create(b, loc(name), typeOf(entry->shape, entry->encoding),
                         entry->name);
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
      std::string symbol =
          index ? fmt::format("{}_{}", name.str(), index) : name.str();
      SmallVector<Type> inputs(carried.getTypes());
      inputs.push_back(b.getIndexType());
      llvm::append_range(inputs, shared.getTypes());
      llvm::append_range(inputs, kind.types);
      func::FuncOp func =
          function(symbol, inputs, carried.getTypes(), /*isPrivate=*/true);
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
      row.push_back(b.getStringAttr(
          names.stored(fmt::format("blk.{}.{}", layer, suffix.str()))));
    rows.push_back(b.getArrayAttr(row));
  }
  return LayersOp::create(b, loc(name), carried.getTypes(), carried, shared,
                          b.getArrayAttr(symbols),
                          llvm::ArrayRef<int32_t>(stack.order),
                          b.getArrayAttr(rows))
      .getResults();
}

} // namespace heddle::import
