//===- BlockScales.h - Blocks whose scales are stored apart -----*- C++ -*-===//
#ifndef HEDDLE_LIB_IMPORT_BLOCKSCALES_H
#define HEDDLE_LIB_IMPORT_BLOCKSCALES_H

#include "heddle/Import/ModelSource.h"

namespace heddle::import {

/// Where a config's `quantization_config` says MXFP4, makes one tensor of the
/// two that gpt-oss stores one as: of `X_blocks`, U8 [..., K / 32, 16], and
/// `X_scales`, U8 [..., K / 32], the tensor `X_blocks` [..., K] in mxfp4. Byte
/// i of a block's 16 has element 2i in its low and 2i + 1 in its high half; a
/// scale is an E8M0 (https://huggingface.co/openai/gpt-oss-20b, OCP
/// Microscaling Formats 1.0). Errors: Malformed, naming the tensor, where the
/// two do not fit together.
llvm::Error joinBlockScales(ModelSource &source);

} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_BLOCKSCALES_H
