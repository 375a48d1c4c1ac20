//===- PartTable.h - Parts by name, and who registered them -----*- C++ -*-===//
#ifndef HEDDLE_SUPPORT_PARTTABLE_H
#define HEDDLE_SUPPORT_PARTTABLE_H

#include "heddle/Support/Error.h"
#include "llvm/ADT/StringRef.h"
#include <deque>

namespace heddle {

/// The registered parts of one kind (encodings, families, levels, …), in the
/// order of registration. `Part` has a `name`. Parts stay where they are, so
/// that pointers to them live as long as the process.
template <typename Part> class PartTable {
public:
  struct Entry {
    Part part;
    std::string owner;
  };

  /// `kind` is what a message calls a part.
  explicit PartTable(const char *kind) : kind(kind) {}

  /// Errors: Malformed, with both owners, if the name is taken.
  llvm::Error add(Part part, llvm::StringRef owner) {
    for (const Entry &entry : entries)
      if (llvm::StringRef(entry.part.name) == llvm::StringRef(part.name))
        return failure(ExitCode::Malformed, owner.str() + ": " + kind + " = " +
                                                std::string(part.name) +
                                                ", a name that " + entry.owner +
                                                " has registered");
    entries.push_back({std::move(part), owner.str()});
    return llvm::Error::success();
  }

  const Part *find(llvm::StringRef name) const {
    for (const Entry &entry : entries)
      if (name == llvm::StringRef(entry.part.name))
        return &entry.part;
    return nullptr;
  }

  /// The names, comma-separated, for a message.
  std::string names() const {
    std::string text;
    for (const Entry &entry : entries)
      text += (text.empty() ? "" : ", ") + std::string(entry.part.name);
    return text;
  }

  auto begin() const { return entries.begin(); }
  auto end() const { return entries.end(); }

private:
  const char *kind;
  std::deque<Entry> entries;
};

} // namespace heddle

#endif // HEDDLE_SUPPORT_PARTTABLE_H
