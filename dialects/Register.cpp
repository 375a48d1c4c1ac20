//===- Register.cpp - The dialects that the phases use --------------------===//
#include "heddle/Plugin/Builtin.h"
#include "heddle/Plugin/Registry.h"
#include "heddle/dialects/Heddle/Heddle.h"
#include "heddle/dialects/HeddleRT/HeddleRT.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"

void heddle::dialects::registerParts(Registry &registry) {
  registry.addDialects([](mlir::DialectRegistry &dialects) {
    mlir::registerAllDialects(dialects);
    mlir::registerAllExtensions(dialects);
    mlir::registerAllToLLVMIRTranslations(dialects);
    dialects.insert<HeddleDialect, rt::HeddleRTDialect>();
  });
}
