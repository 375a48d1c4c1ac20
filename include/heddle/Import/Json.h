//===- Json.h - JSON from a file, checked -----------------------*- C++ -*-===//
#ifndef HEDDLE_IMPORT_JSON_H
#define HEDDLE_IMPORT_JSON_H

#include "heddle/Import/ModelSource.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/JSON.h"

namespace heddle::import {

/// Most of what a text may hold. A tree of objects takes kilobytes an object.
struct JsonLimits {
  uint64_t commas = 1 << 20, objects = 4096;
};

/// Parses `text`, which must be one object. llvm::json recurses, and keeps the
/// last of equal keys, so that nesting, keys and counts are checked first.
/// Errors: Malformed, naming `file` (no UTF-8, no object, a key twice in one
/// object however it is escaped, a NUL in a key, nesting beyond 64); Limit.
llvm::Expected<llvm::json::Object>
parseObject(llvm::StringRef file, llvm::StringRef text, JsonLimits limits = {});

/// The same of an object with many members, of which one value is held at a
/// time. Errors: as parseObject; what `take` returns.
llvm::Error
forEachMember(llvm::StringRef file, llvm::StringRef text, JsonLimits limits,
              llvm::function_ref<llvm::Error(llvm::StringRef key,
                                             const llvm::json::Value &value)>
                  take);

/// Appends what `object` holds, keys of objects within joined by dots; `null`
/// stays a value. Arrays of integers, of numbers and of strings are lists; of
/// anything else, lists of JSON text.
void flatten(const llvm::json::Object &object, llvm::StringRef prefix,
             std::vector<std::pair<std::string, MetaValue>> &metadata);

} // namespace heddle::import

#endif // HEDDLE_IMPORT_JSON_H
