//===- Register.cpp - Everything of ours, for a context -------------------===//
#include "heddle/Driver/Register.h"
#include "heddle/Plugin/Registry.h"
#include "heddle/dialects/Heddle/Heddle.h"
#include "heddle/dialects/HeddleRT/HeddleRT.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"

void heddle::registerDialects(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerAllToLLVMIRTranslations(registry);
  registry.insert<HeddleDialect, rt::HeddleRTDialect>();
  insertPluginDialects(registry);
}
