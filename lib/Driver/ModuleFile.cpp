//===- ModuleFile.cpp - A module from a file, checked ---------------------===//
#include "heddle/Driver/ModuleFile.h"
#include "heddle/Driver/Confined.h"
#include "heddle/Import/Parameters.h"
#include "heddle/Support/Error.h"
#include "heddle/Support/MappedFile.h"
#include "heddle/dialects/Heddle/Heddle.h"
#include "heddle/passes/Pipelines.h"
#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include <fmt/format.h>

using namespace mlir;
using namespace heddle;

namespace {
/// Attributes of one module; the first that does not fit is kept as the error.
class Checker {
public:
  Checker(ModuleOp module, StringRef path) : module(module), path(path) {}

  std::string error;

  void bad(const Twine &name, Attribute value, const Twine &limit) {
    if (!error.empty())
      return;
    std::string text = "absent";
    if (value) {
      text.clear();
      llvm::raw_string_ostream(text) << value;
    }
    constexpr size_t kMost = 80; // a list of parameters fills pages
    if (text.size() > kMost)
      text = text.substr(0, kMost) + "…";
    error = path + ": heddle." + name.str() + " = " + text + ", limit " +
            limit.str();
  }

  void string(StringRef name) {
    if (Attribute value = get(name); !isa_and_present<StringAttr>(value))
      bad(name, value, "a string");
  }

  int64_t integer(StringRef name, int64_t min, int64_t max) {
    Attribute value = get(name);
    if (std::optional<int64_t> i = within(value, min, max))
      return *i;
    bad(name, value, fmt::format("an integer of {} to {}", min, max));
    return min;
  }

  /// An array whose elements `fits`; `null` if it is none.
  ArrayAttr array(StringRef name, const Twine &limit,
                  llvm::function_ref<bool(Attribute)> fits) {
    Attribute value = get(name);
    auto list = dyn_cast_or_null<ArrayAttr>(value);
    if (!list || !llvm::all_of(list, fits)) {
      bad(name, value, limit);
      return {};
    }
    return list;
  }

  Attribute get(StringRef name) {
    return module->getAttr(("heddle." + name).str());
  }

  /// Whether the target is several levels. A function's own is one of them.
  bool levels() {
    auto target = dyn_cast_or_null<StringAttr>(get("target"));
    SmallVector<StringRef> names;
    if (!target)
      return false;
    target.getValue().split(names, ',');
    for (func::FuncOp func : module.getOps<func::FuncOp>())
      if (Attribute level = func->getAttr("heddle.level"))
        if (auto name = dyn_cast<StringAttr>(level);
            !name || !llvm::is_contained(names, name.getValue()))
          bad("level of @" + func.getName(), level,
              "one of heddle.target, " + target.getValue());
    return names.size() > 1;
  }

  static std::optional<int64_t> within(Attribute value, int64_t min,
                                       int64_t max) {
    auto i = dyn_cast_or_null<IntegerAttr>(value);
    if (!i || !i.getValue().isSignedIntN(64))
      return std::nullopt;
    int64_t n = i.getValue().getSExtValue();
    return n >= min && n <= max ? std::optional(n) : std::nullopt;
  }

private:
  ModuleOp module;
  std::string path;
};

bool isParameter(Attribute attr) {
  auto type = dyn_cast<TypeAttr>(attr);
  auto tensor =
      type ? dyn_cast<RankedTensorType>(type.getValue()) : RankedTensorType();
  return tensor && tensor.hasStaticShape() && tensor.getRank() > 0 &&
         tensor.getElementType().isF32() &&
         (!tensor.getEncoding() || isa<PackedAttr>(tensor.getEncoding()));
}

bool isCache(Attribute attr) {
  auto type = dyn_cast<TypeAttr>(attr);
  auto cache = type ? dyn_cast<CacheType>(type.getValue()) : CacheType();
  return cache && cache.getBlock() > 0;
}

/// Strings, numbers that are not negative, flags and lists of strings.
bool isKernelRecord(Attribute attr) {
  auto record = dyn_cast<DictionaryAttr>(attr);
  return record && llvm::all_of(record, [](NamedAttribute entry) {
           Attribute value = entry.getValue();
           auto list = dyn_cast<ArrayAttr>(value);
           return isa<StringAttr, BoolAttr>(value) ||
                  Checker::within(value, 0, INT64_MAX) ||
                  (list && llvm::all_of(list, llvm::IsaPred<StringAttr>));
         });
}

/// Names to lists of numbers that `fits`.
bool isByExpert(Attribute attr, bool (*fits)(ArrayRef<int64_t>)) {
  auto layers = dyn_cast<DictionaryAttr>(attr);
  return layers && llvm::all_of(layers, [&](NamedAttribute layer) {
           auto list = dyn_cast<DenseI64ArrayAttr>(layer.getValue());
           return list && fits(list.asArrayRef());
         });
}

bool areCounts(ArrayRef<int64_t> list) {
  return llvm::all_of(list, [](int64_t n) { return n >= 0; });
}

bool isPermutation(ArrayRef<int64_t> list) {
  std::vector<bool> seen(list.size());
  for (int64_t n : list) {
    if (n < 0 || n >= static_cast<int64_t>(list.size()) || seen[n])
      return false;
    seen[n] = true;
  }
  return true;
}

/// Every parameter with a table is in one group, with others of as many
/// experts.
bool areGroups(ArrayAttr groups, ArrayAttr types) {
  auto tableOf = [&](int64_t i) {
    auto type = cast<RankedTensorType>(cast<TypeAttr>(types[i]).getValue());
    auto packed = encodingOf<PackedAttr>(type);
    return packed && packed.getTable() ? type : RankedTensorType();
  };
  std::vector<bool> seen(types.size());
  for (Attribute attr : groups ? groups.getValue() : ArrayRef<Attribute>()) {
    auto group = dyn_cast<DenseI64ArrayAttr>(attr);
    if (!group || group.empty())
      return false;
    int64_t experts = 0;
    for (int64_t i : group.asArrayRef()) {
      if (i < 0 || i >= static_cast<int64_t>(seen.size()) || seen[i] ||
          !tableOf(i) || (experts && experts != tableOf(i).getDimSize(0)))
        return false;
      seen[i] = true;
      experts = tableOf(i).getDimSize(0);
    }
  }
  for (size_t i = 0; i < seen.size(); ++i)
    if (!seen[i] && tableOf(i))
      return false;
  return true;
}

bool isString(Attribute attr) { return isa<StringAttr>(attr); }

void checkAttributes(Checker &c, size_t phase) {
  // What a family says of the model.
  c.string("family");
  c.string("name");
  c.integer("vocab", 1, INT32_MAX);
  c.integer("hidden", 1, INT32_MAX);
  c.integer("layers", 1, 65536);
  int64_t context = c.integer("model_context", 1, INT32_MAX);
  if (c.get("default_context"))
    c.integer("default_context", 1, context);
  if (Attribute value = c.get("unpermute")) {
    auto heads = dyn_cast<DictionaryAttr>(value);
    if (!heads || !llvm::all_of(heads, [](NamedAttribute e) {
          return Checker::within(e.getValue(), 1, 65536);
        }))
      c.bad("unpermute", value, "names to integers of 1 to 65536");
  }
  // What the compiler's options were.
  if (c.get("target")) {
    c.string("target");
    c.string("numeric");
    c.integer("context", 1, context);
    // Of several levels each function has its own numbers.
    if (!c.levels()) {
      int64_t lanes = c.integer("lanes", 1, 64);
      if (lanes & (lanes - 1))
        c.bad("lanes", c.get("lanes"), "a power of two");
      c.integer("registers", 8, 64);
    }
  }
  if (c.get("pass_options"))
    c.array("pass_options", "an array of strings", isString);
  // What phases add.
  if (phase >= size_t(findPhase("specialize"))) {
    int64_t batch = c.integer("batch_tokens", 1, 1 << 20);
    c.integer("prefill_tokens", batch, 1 << 20);
  }
  if (Attribute uses = c.get("expert_uses");
      uses && !isByExpert(uses, areCounts))
    c.bad("expert_uses", uses, "names to array<i64> that are not negative");
  if (Attribute map = c.get("resident_map");
      map && !isByExpert(map, isPermutation))
    c.bad("resident_map", map, "names to permutations, array<i64>");
  if (c.get("kernels"))
    c.array("kernels", "an array of what heddle-record-kernels writes",
            isKernelRecord);
  if (phase >= size_t(findPhase("plan"))) {
    c.integer("arena_bytes", 0, INT64_MAX);
    ArrayAttr names = c.array("params", "an array of strings", isString);
    ArrayAttr types = c.array(
        "param_types", "an array of types of stored f32 tensors", isParameter);
    if (names && types && names.size() != types.size())
      c.bad("param_types", types,
            fmt::format("as many as heddle.params, {}", names.size()));
    c.array("caches", "an array of types of caches with a block", isCache);
    Attribute groups = c.get("expert_groups");
    if (types && c.error.empty() &&
        ((groups && !isa<ArrayAttr>(groups)) ||
         !areGroups(cast_or_null<ArrayAttr>(groups), types)))
      c.bad("expert_groups", groups,
            "arrays of the indices of parameters with a table, each once, "
            "those of a group with as many experts");
  }
}

} // namespace

llvm::Error heddle::checkModuleText(StringRef path, StringRef text,
                                    Resources resources) {
  constexpr size_t kMost = 256, kMostTerms = 4096;
  constexpr StringRef opens = "([{<", closes = ")]}>";
  std::string open;
  size_t line = 1, signs = 0, terms = 0;
  auto bad = [&](const char *field, const Twine &value, const Twine &limit) {
    return heddle::failure(ExitCode::Malformed,
                           fmt::format("{}: line {}: {} = {}, limit {}",
                                       path.str(), line, field, value.str(),
                                       limit.str()));
  };
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    StringRef rest = text.drop_front(i);
    if (c == '"') {
      for (++i; i < text.size() && text[i] != '"' && text[i] != '\n'; ++i)
        i += text[i] == '\\';
    } else if (rest.starts_with("//")) {
      i += std::min(rest.find('\n'), rest.size()) - 1;
    } else if (rest.starts_with("->") || rest.starts_with(">=") ||
               rest.starts_with("<=")) {
      ++i;
    } else if (rest.starts_with("{-#") && resources == Resources::None) {
      return bad("resources", "'{-#'", "none");
    } else if (rest.consume_front("dialect_resources")) {
      // Four bytes of alignment come first, as the others in hexadecimal.
      for (size_t at = 0; (at = rest.find("\"0x", at)) != rest.npos; ++at)
        if (rest.substr(at + 3, 8) == "00000000")
          return bad("alignment of a resource", "0", "a power of two");
    } else if (opens.contains(c)) {
      open += c;
      terms = 0;
    } else if (size_t kind = closes.find(c); kind != closes.npos) {
      // A `<` that compares has no other end.
      while (c != '>' && !open.empty() && open.back() == '<')
        open.pop_back();
      if (!open.empty() && open.back() == opens[kind])
        open.pop_back();
      terms = 0;
    } else if (c == ',' || c == '=' || c == ';') {
      terms = 0;
    } else if (c == '+' || c == '*' || c == '-') {
      ++terms;
    }
    line += i < text.size() && text[i] == '\n';
    signs = c == '-' ? signs + 1 : llvm::isSpace(c) ? signs : 0;
    if (size_t depth = std::max(open.size(), signs); depth > kMost)
      return bad("nesting", Twine(depth) + " or more", Twine(kMost));
    if (terms > kMostTerms)
      return bad("terms of an expression", Twine(terms) + " or more",
                 Twine(kMostTerms));
  }
  return llvm::Error::success();
}

llvm::Expected<ModuleFile> heddle::readModule(MLIRContext &context,
                                              StringRef path) {
  auto mapped = MappedFile::open(path);
  if (!mapped)
    return mapped.takeError();
  StringRef text = llvm::toStringRef(mapped->bytes());
  if (isBytecode(llvm::MemoryBufferRef(text, path)))
    return heddle::failure(ExitCode::Unsupported,
                           path.str() + ": format = MLIR bytecode, supported "
                                        "is text");
  if (auto error = checkModuleText(path, text, Resources::None))
    return std::move(error);
  CpuLimit limit(2 + text.size() / (256 << 10));
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, path),
                             llvm::SMLoc());
  std::string why;
  ModuleFile file;
  {
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diag) {
      if (diag.getSeverity() == DiagnosticSeverity::Error && why.empty()) {
        if (auto at = dyn_cast<FileLineColLoc>(diag.getLocation()))
          why = fmt::format("line {}: ", at.getLine());
        why += diag.str();
      }
      return mlir::success();
    });
    file.module = parseSourceFile<ModuleOp>(sources, ParserConfig(&context));
  }
  if (!file.module)
    return heddle::failure(ExitCode::Malformed, path.str() + ": " + why);
  Checker checker(*file.module, path);
  Attribute phase = checker.get("phase");
  auto name = dyn_cast_or_null<StringAttr>(phase);
  int index = name ? findPhase(name.getValue()) : -1;
  if (index < 0 || index > findPhase("plan"))
    checker.bad("phase", phase, "the name of a phase from import to plan");
  else
    checkAttributes(checker, index);
  if (!checker.error.empty())
    return heddle::failure(ExitCode::Malformed, checker.error);
  file.phase = index;
  return file;
}

llvm::Error heddle::checkPermutations(ModuleOp module,
                                      const import::ModelSource &source,
                                      StringRef path) {
  import::RowPermutations permutations = import::rowPermutations(module);
  for (const import::TensorEntry &tensor : source.tensors)
    if (int64_t heads = import::permutedHeads(permutations, tensor.name);
        heads &&
        !import::dividesRows(heads, tensor.shape.empty() ? 0 : tensor.shape[0]))
      return heddle::failure(
          ExitCode::Malformed,
          fmt::format("{}: heddle.unpermute of {} = {}, limit a divisor of "
                      "half its {} rows",
                      path.str(), tensor.name, heads,
                      tensor.shape.empty() ? 0 : tensor.shape[0]));
  return llvm::Error::success();
}
