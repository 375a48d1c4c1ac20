//===- Pipelines.cpp - The phases, top to bottom --------------------------===//
#include "heddle/passes/Pipelines.h"
#include "heddle/Plugin/Builtin.h"
#include "heddle/Plugin/Registry.h"
#include "heddle/passes/Passes.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Affine/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace heddle;

static void canonicalizeGraph(OpPassManager &pm) {
  pm.addPass(createSetRopeFrequencies());
  pm.addPass(createRecogniseExperts());
  pm.addPass(createSetRouter());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

static void quantize(OpPassManager &pm) {
  pm.addPass(createSetNumericMode());
  pm.addPass(createConvertActivations());
  pm.addPass(createCSEPass());
}

static void specialize(OpPassManager &pm) {
  pm.addPass(createAddSequences());
  pm.addPass(createSpecialize());
  pm.addPass(createExpandLatent());
}

static void route(OpPassManager &pm) {
  pm.addNestedPass<func::FuncOp>(createLowerExperts());
}

static void fuse(OpPassManager &pm) {
  OpPassManager &functions = pm.nest<func::FuncOp>();
  functions.addPass(createFuseAttentionInput());
  functions.addPass(createFuseAttention());
  functions.addPass(createFuseRouter());
  functions.addPass(createFuseGatedMLP());
  functions.addPass(createFuseExperts());
  functions.addPass(createFuseResidual());
  functions.addPass(createFuseHead());
  // What is left, op by op.
  functions.addPass(createFormKernels());
}

static void layout(OpPassManager &pm) {
  pm.addPass(createChooseLayouts());
  pm.addPass(createPlaceExperts());
  pm.addNestedPass<func::FuncOp>(createFetchExperts());
}

static void schedule(OpPassManager &pm) {
  pm.addPass(createSetSchedules());
  pm.addPass(createRecordKernels());
}

static void emit(OpPassManager &pm) {
  pm.addPass(createEmitKernels());
  pm.addPass(createEmitProbes());
  pm.addPass(createLowerGeneric());
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

void heddle::passes::registerParts(Registry &registry) {
  registry.addPass(createSetRopeFrequencies);
  registry.addPass(createRecogniseExperts);
  registry.addPass([] { return createSetRouter(); });
  registry.addPass(createSetNumericMode);
  registry.addPass(createAddSequences);
  registry.addPass([] { return createSpecialize(); });
  registry.addPass([] { return createExpandLatent(); });
  registry.addPass(createConvertActivations);
  registry.addPass(createLowerExperts);
  registry.addPass(createFuseAttentionInput);
  registry.addPass(createFuseAttention);
  registry.addPass(createFuseRouter);
  registry.addPass(createFuseGatedMLP);
  registry.addPass(createFuseExperts);
  registry.addPass(createFuseResidual);
  registry.addPass(createFuseHead);
  registry.addPass(createFormKernels);
  registry.addPass([] { return createChooseLayouts(); });
  registry.addPass(createPlaceExperts);
  registry.addPass(createFetchExperts);
  registry.addPass([] { return createSetSchedules(); });
  registry.addPass(createRecordKernels);
  registry.addPass(createEmitKernels);
  registry.addPass(createEmitProbes);
  registry.addPass([] { return createLowerGeneric(); });
  registry.addPass(createExpandMath);
  registry.addPass(createPlaceBarriers);
  registry.addPass(createPlanMemory);
  registry.addPass(createLowerRuntime);

  registry.addToPhase("canonicalize", canonicalizeGraph);
  registry.addToPhase("quantize", quantize);
  registry.addToPhase("specialize", specialize);
  registry.addToPhase("route", route);
  registry.addToPhase("fuse", fuse);
  registry.addToPhase("layout", layout);
  registry.addToPhase("schedule", schedule);
  registry.addToPhase("emit", emit);
  registry.addToPhase("plan", plan);
  registry.addToPhase("target", target);
}

llvm::ArrayRef<Phase> heddle::phases() {
  static const Phase all[] = {
      {"import", "checkpoint to graph"},
      {"canonicalize", "exact folds, recognised patterns"},
      {"quantize", "the numeric mode"},
      {"specialize", "clones for decode, small batch and prefill"},
      {"route", "forms of Mixture-of-Experts; dense graphs need none"},
      {"fuse", "ops to kernels"},
      {"layout", "packed weights and cache blocks"},
      {"schedule", "an emitter and its numbers for each kernel"},
      {"emit", "kernels to vector loops"},
      {"plan", "barriers and one static arena"},
      {"target", "loops to the LLVM dialect and object code"},
      {"link",
       "object, runtime, manifest, tokenizer and weights to one program"},
  };
  return all;
}

int heddle::findPhase(llvm::StringRef name) {
  for (auto [index, phase] : llvm::enumerate(phases()))
    if (name == phase.name)
      return index;
  return -1;
}

std::string heddle::phaseNames() {
  return llvm::join(
      llvm::map_range(phases(), [](const Phase &phase) { return phase.name; }),
      ", ");
}

namespace {
struct Joined {
  PhaseBuilder build;
  std::string owner;
};
} // namespace

static std::vector<Joined> &joinedTo(size_t phase) {
  static std::vector<std::vector<Joined>> joined(phases().size());
  return joined[phase];
}

void heddle::joinPhase(int phase, PhaseBuilder build, PhaseEnd where,
                       llvm::StringRef owner) {
  auto &joined = joinedTo(phase);
  joined.insert(where == PhaseEnd::Front ? joined.begin() : joined.end(),
                {std::move(build), owner.str()});
}

void heddle::buildPhase(const Phase &phase, OpPassManager &pm) {
  for (const Joined &joined : joinedTo(findPhase(phase.name)))
    joined.build(pm);
}

std::vector<PassRow> heddle::passesOf(const Phase &phase) {
  std::vector<PassRow> rows;
  for (const Joined &joined : joinedTo(findPhase(phase.name))) {
    OpPassManager pm("builtin.module");
    joined.build(pm);
    for (Pass &pass : pm.getPasses()) {
      std::string text = pass.getArgument().str();
      // A nested pipeline has no name and prints as op(pass, …).
      if (text.empty()) {
        llvm::raw_string_ostream os(text);
        pass.printAsTextualPipeline(os);
        rows.push_back({text, "nested", joined.owner});
      } else {
        rows.push_back({text, pass.getDescription().str(), joined.owner});
      }
    }
  }
  return rows;
}

std::string heddle::pipelineText(int from, int to) {
  OpPassManager pm("builtin.module");
  for (int i = from; i <= to; ++i)
    buildPhase(phases()[i], pm);
  std::string text;
  llvm::raw_string_ostream os(text);
  pm.printAsTextualPipeline(os);
  return text;
}
