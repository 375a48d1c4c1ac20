//===- heddle-opt.cpp - mlir-opt with everything of ours ------------------===//
#include "heddle/Driver/Register.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllPasses();
  heddle::registerDialects(registry);
  heddle::registerPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Heddle optimizer driver\n", registry));
}
