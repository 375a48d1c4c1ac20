//===- Register.h - Everything of ours, for a context -----------*- C++ -*-===//
#ifndef HEDDLE_DRIVER_REGISTER_H
#define HEDDLE_DRIVER_REGISTER_H

namespace mlir {
class DialectRegistry;
}

namespace heddle {
/// Dialects, interfaces and translations that the phases use, those of loaded
/// plugins included.
void registerDialects(mlir::DialectRegistry &registry);
} // namespace heddle

#endif // HEDDLE_DRIVER_REGISTER_H
