//===- Target.cpp - Feature levels and object emission --------------------===//
#include "heddle/codegen/Common/Target.h"
#include "heddle/Support/Error.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

using namespace heddle;
using namespace heddle::codegen;

PartTable<Level> &codegen::levels() {
  static PartTable<Level> table("target");
  return table;
}

const Level *codegen::findLevel(llvm::StringRef name) {
  if (name != "native")
    return levels().find(name);
  llvm::Triple host(llvm::sys::getDefaultTargetTriple());
  auto features = llvm::sys::getHostCPUFeatures();
  const Level *best = nullptr;
  for (const auto &[level, owner] : levels()) {
    if (host.getArchName() != level.arch)
      continue;
    llvm::SmallVector<llvm::StringRef> needs;
    llvm::StringRef(level.needs).split(needs, ',', -1, false);
    if (llvm::all_of(needs, [&](llvm::StringRef need) { return features.lookup(need); }))
      best = &level;
  }
  return best;
}

const Level *codegen::levelOf(mlir::Operation *op) {
  mlir::Operation *top = op;
  for (; op; top = op, op = op->getParentOp())
    if (auto level = op->getAttrOfType<mlir::StringAttr>("heddle.level"))
      return levels().find(level);
  auto target = top->getAttrOfType<mlir::StringAttr>("heddle.target");
  return target ? levels().find(target) : nullptr;
}

/// Defines heddle_levels (heddle_rt.h) and hides all else.
static void addLevelTable(llvm::Module &module, const Level &level) {
  auto &context = module.getContext();
  auto *pointer = llvm::PointerType::get(context, 0);
  auto *null = llvm::ConstantPointerNull::get(pointer);
  auto *row = llvm::StructType::get(context, {pointer, pointer, pointer, pointer, pointer});
  auto text = [&](llvm::StringRef value) -> llvm::Constant * {
    auto *data = llvm::ConstantDataArray::getString(context, value);
    return new llvm::GlobalVariable(module, data->getType(), true, llvm::GlobalValue::PrivateLinkage, data);
  };
  auto step = [&](llvm::StringRef name) -> llvm::Constant * {
    llvm::Function *f = module.getFunction(name);
    return f ? static_cast<llvm::Constant *>(f) : null;
  };
  for (llvm::Function &f : module)
    if (!f.isDeclaration()) {
      f.setLinkage(llvm::GlobalValue::InternalLinkage);
      f.addFnAttr("target-cpu", level.cpu);
      f.addFnAttr("target-features", level.features);
      f.addFnAttr(llvm::Attribute::NoUnwind);
    }
  llvm::Constant *rows[] = {
      llvm::ConstantStruct::get(row, {text(level.name), text(level.needs), step("decode"), step("batch"), step("prefill")}),
      llvm::ConstantStruct::get(row, {null, null, null, null, null})};
  auto *type = llvm::ArrayType::get(row, 2);
  new llvm::GlobalVariable(module, type, true, llvm::GlobalValue::ExternalLinkage, llvm::ConstantArray::get(type, rows),
                           "heddle_levels");
}

llvm::Error codegen::emitObject(mlir::ModuleOp module, const Level &level, llvm::StringRef path, bool assembly) {
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargets();
  llvm::InitializeAllTargetMCs();
  llvm::InitializeAllAsmPrinters();
  llvm::LLVMContext context;
  auto llvmModule = mlir::translateModuleToLLVMIR(module, context, "heddle");
  if (!llvmModule)
    return failure(ExitCode::Bug, "translation to LLVM IR failed");
  std::string error;
  llvm::Triple triple(level.triple);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return failure(ExitCode::Bug, "target = " + std::string(level.name) + ": " + error);
  llvm::TargetOptions options;
  // Fused operations are explicit in the IR; the back end adds none.
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  options.FunctionSections = true;
  std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine(triple, level.cpu, level.features, options, llvm::Reloc::PIC_, std::nullopt,
                                  llvm::CodeGenOptLevel::Aggressive));
  llvmModule->setTargetTriple(triple);
  llvmModule->setDataLayout(machine->createDataLayout());
  addLevelTable(*llvmModule, level);

  llvm::LoopAnalysisManager lam;
  llvm::FunctionAnalysisManager fam;
  llvm::CGSCCAnalysisManager cam;
  llvm::ModuleAnalysisManager mam;
  llvm::PassBuilder builder(machine.get());
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cam, mam);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(*llvmModule, mam);

  std::error_code ec;
  llvm::raw_fd_ostream os(path, ec);
  if (ec)
    return failure(ExitCode::InputOutput, path.str() + ": " + ec.message());
  llvm::legacy::PassManager codegen;
  if (machine->addPassesToEmitFile(codegen, os, nullptr,
                                   assembly ? llvm::CodeGenFileType::AssemblyFile : llvm::CodeGenFileType::ObjectFile))
    return failure(ExitCode::Bug, "target = " + std::string(level.name) + " emits no objects");
  codegen.run(*llvmModule);
  os.flush();
  if (os.has_error()) {
    std::error_code written = os.error();
    os.clear_error();
    return failure(ExitCode::InputOutput, path.str() + ": " + written.message());
  }
  return llvm::Error::success();
}
