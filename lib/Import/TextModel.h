//===- TextModel.h - The text model of a multimodal one ---------*- C++ -*-===//
#ifndef HEDDLE_LIB_IMPORT_TEXTMODEL_H
#define HEDDLE_LIB_IMPORT_TEXTMODEL_H

#include "heddle/Import/ModelSource.h"

namespace heddle::import {

/// Where the config is that of a multimodal model of transformers whose text
/// model is a decoder by itself (images become rows of its input), the config
/// of the text model takes its place: what `text_config` says, and of the outer
/// one what concerns the whole checkpoint. Gives whether it is one.
bool takeTextConfig(ModelSource &source);

/// Gives such a model's tensors of the text model the names that they have in a
/// checkpoint of its own. The others keep theirs. Errors: Malformed for one by
/// two names.
llvm::Error takeTextTensors(ModelSource &source);

} // namespace heddle::import

#endif // HEDDLE_LIB_IMPORT_TEXTMODEL_H
