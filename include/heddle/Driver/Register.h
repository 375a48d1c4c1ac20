//===- Register.h - Everything of ours, for a context -----------*- C++ -*-===//
#ifndef HEDDLE_DRIVER_REGISTER_H
#define HEDDLE_DRIVER_REGISTER_H

namespace mlir {
class DialectRegistry;
}

namespace heddle {
/// Dialects, interfaces and translations that the phases use.
void registerDialects(mlir::DialectRegistry &registry);
/// Our passes, and upstream's that the phases use, by name.
void registerPasses();
} // namespace heddle

#endif // HEDDLE_DRIVER_REGISTER_H
