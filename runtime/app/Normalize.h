//===- Normalize.h - Unicode's forms C and KC ------------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_NORMALIZE_H
#define HEDDLE_RUNTIME_APP_NORMALIZE_H

#include "ChatText.h"

namespace heddle::rt {

/// `text` (valid UTF-8) in form C (Unicode Standard Annex 15), in time
/// O(n log n) whatever the marks. What was made of the user's bytes is the
/// user's.
Text toNfc(const Text &text);
/// The same of form KC, by which a character may become eighteen. Throws
/// Failure(Limit) beyond 256 MiB.
Text toNfkc(const Text &text);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_NORMALIZE_H
