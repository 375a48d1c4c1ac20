//===- Parts.h - What the plugin is made of ---------------------*- C++ -*-===//
#ifndef EXAMPLE_PARTS_H
#define EXAMPLE_PARTS_H

#include "heddle/Import/Encoding.h"
#include "heddle/Import/Family.h"
#include "heddle/Reference/Interpreter.h"
#include "heddle/dialects/Heddle/Heddle.h"
#include "mlir/Pass/Pass.h"

#include "ExampleDialect.h.inc"
#define GET_OP_CLASSES
#include "ExampleOps.h.inc"

namespace example {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "Passes.h.inc"

/// What the ops mean to the f64 reference interpreter.
heddle::reference::Semantics relu2Semantics(), scaleSemantics();

/// GGML's TQ2_0: 256 numbers of -1, 0 and 1, under an f16.
extern const heddle::import::EncodingInfo tq2;

/// A decoder whose feed-forward part is a squared ReLU, from GGUF.
extern const heddle::import::Family family;
} // namespace example

#endif // EXAMPLE_PARTS_H
