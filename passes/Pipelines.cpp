//===- Pipelines.cpp - The phases, top to bottom --------------------------===//
#include "heddle/passes/Pipelines.h"
#include "heddle/passes/Passes.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Affine/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace heddle;

static void none(OpPassManager &) {}

static void canonicalize(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

static void quantize(OpPassManager &pm) { pm.addPass(createSetNumericMode()); }

static void specialize(OpPassManager &pm) { pm.addPass(createSpecialize()); }

static void fuse(OpPassManager &pm) { pm.addNestedPass<func::FuncOp>(createFormKernels()); }

static void layout(OpPassManager &pm) { pm.addPass(createChooseLayouts()); }

static void schedule(OpPassManager &pm) { pm.addPass(createSetSchedules()); }

static void emit(OpPassManager &pm) {
  pm.addPass(createEmitKernels());
  pm.addPass(createExpandMath());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

static void plan(OpPassManager &pm) {
  pm.addNestedPass<func::FuncOp>(createPlaceBarriers());
  pm.addPass(createPlanMemory());
}

static void target(OpPassManager &pm) {
  pm.addPass(createLowerRuntime());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

llvm::ArrayRef<Phase> heddle::phases() {
  static const Phase all[] = {
      {"import", "checkpoint to graph", none},
      {"canonicalize", "exact folds, recognised patterns", canonicalize},
      {"quantize", "the numeric mode", quantize},
      {"specialize", "clones for decode, small batch and prefill", specialize},
      {"route", "forms of Mixture-of-Experts; dense graphs need none", none},
      {"fuse", "ops to kernels", fuse},
      {"layout", "packed weights and cache blocks", layout},
      {"schedule", "an emitter and its numbers for each kernel", schedule},
      {"emit", "kernels to vector loops", emit},
      {"plan", "barriers and one static arena", plan},
      {"target", "loops to the LLVM dialect and object code", target},
      {"link", "object, runtime, manifest, tokenizer and weights to one program", none},
  };
  return all;
}

int heddle::findPhase(llvm::StringRef name) {
  for (auto [index, phase] : llvm::enumerate(phases()))
    if (name == phase.name)
      return index;
  return -1;
}

/// Goes through a pipeline and what is nested in it.
static void visit(OpPassManager &pm, std::vector<PassRow> &rows) {
  for (Pass &pass : pm.getPasses()) {
    if (!pass.getArgument().empty()) {
      rows.push_back({pass.getArgument().str(), pass.getDescription().str()});
      continue;
    }
    // A nested pipeline prints as op(pass, …).
    std::string text;
    llvm::raw_string_ostream os(text);
    pass.printAsTextualPipeline(os);
    rows.push_back({text, "nested"});
  }
}

std::vector<PassRow> heddle::passesOf(const Phase &phase) {
  OpPassManager pm("builtin.module");
  phase.build(pm);
  std::vector<PassRow> rows;
  visit(pm, rows);
  return rows;
}

std::string heddle::pipelineText() {
  OpPassManager pm("builtin.module");
  for (const Phase &phase : phases())
    phase.build(pm);
  std::string text;
  llvm::raw_string_ostream os(text);
  pm.printAsTextualPipeline(os);
  return text;
}
