//===- RoutingProfile.cpp - Which experts a text went to ------------------===//
#include "heddle/Driver/RoutingProfile.h"
#include "heddle/Import/Json.h"
#include "heddle/Import/Parameters.h"
#include "heddle/Support/Error.h"
#include "heddle/Support/MappedFile.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include <fmt/format.h>

using namespace mlir;
using namespace heddle;

llvm::Expected<DictionaryAttr>
heddle::readRoutingProfile(MLIRContext &context, llvm::StringRef path,
                           const import::ModelSource &source,
                           llvm::StringRef sourceHash) {
  auto bad = [&](llvm::StringRef field, std::string value, std::string limit) {
    return failure(ExitCode::Malformed,
                   fmt::format("{}: {} = {}, limit {}", path.str(), field.str(),
                               value, limit),
                   "PROG profile --text-file=FILE --out=" + path.str());
  };
  auto file = MappedFile::open(path);
  if (!file)
    return file.takeError();
  auto object = import::parseObject(path, llvm::toStringRef(file->bytes()));
  if (!object)
    return object.takeError();
  if (object->getString("format") != "heddle-profile")
    return bad("format", "absent", "heddle-profile");
  if (auto version = object->getInteger("version"); version != 1)
    return bad("version", version ? std::to_string(*version) : "absent", "1");
  if (auto hash = object->getString("source_hash"); hash != sourceHash)
    return bad("source_hash", hash ? hash->str() : "absent",
               sourceHash.str() + ", that of " + source.path);
  const llvm::json::Array *layers = object->getArray("layers");
  if (!layers)
    return bad("layers", "absent", "an array");
  Builder b(&context);
  SmallVector<NamedAttribute> uses;
  llvm::StringSet<> names;
  for (const llvm::json::Value &value : *layers) {
    const llvm::json::Object *layer = value.getAsObject();
    auto name = layer ? layer->getString("name") : std::nullopt;
    const llvm::json::Array *list = layer ? layer->getArray("uses") : nullptr;
    if (!name || !list)
      return bad("layers", "malformed", "objects with name and uses");
    auto stored = import::findParameter(source, name->str());
    if (!stored || stored->shape.size() != 3 || !names.insert(*name).second)
      return bad("layers.name", name->str(), "weights of experts, each once");
    if (stored->shape[0] != static_cast<int64_t>(list->size()))
      return bad("layers.uses of " + name->str(), std::to_string(list->size()),
                 std::to_string(stored->shape[0]));
    SmallVector<int64_t> counts;
    for (const llvm::json::Value &count : *list) {
      auto number = count.getAsInteger();
      if (!number || *number < 0)
        return bad("layers.uses of " + name->str(),
                   fmt::format("{}", llvm::formatv("{0}", count).str()),
                   "numbers that are not negative");
      counts.push_back(*number);
    }
    uses.push_back(b.getNamedAttr(*name, b.getDenseI64ArrayAttr(counts)));
  }
  return b.getDictionaryAttr(uses);
}
