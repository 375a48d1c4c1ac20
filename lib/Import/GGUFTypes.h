//===- GGUFTypes.h - GGML's tensor types and their blocks -------*- C++ -*-===//
#ifndef HEDDLE_LIB_IMPORT_GGUFTYPES_H
#define HEDDLE_LIB_IMPORT_GGUFTYPES_H

#include "heddle/Import/SpanReader.h"

namespace heddle::import {

/// Block format of GGML type `id`, or null if the id is unknown or removed.
/// Being listed here means that the size is known, not that Heddle decodes it.
const BlockFormat *ggmlType(uint32_t id);

/// Why `id` has no format: "removed from GGML" or "unknown".
const char *ggmlTypeAbsence(uint32_t id);

} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_GGUFTYPES_H
