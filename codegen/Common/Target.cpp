//===- Target.cpp - Feature levels and object emission --------------------===//
#include "heddle/codegen/Common/Target.h"
#include "heddle/Support/Error.h"
#include "heddle/Support/OutputFile.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallVectorExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
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

codegen::Tuning codegen::Level::tuningFor(llvm::StringRef processor) const {
  for (const Tuning &tuning : tunings)
    if (processor == tuning.cpu)
      return tuning;
  return {"", prefetch, prefetchFrom};
}

bool codegen::needsMet(llvm::StringRef needs,
                       llvm::function_ref<bool(llvm::StringRef)> has) {
  return llvm::all_of(llvm::split(needs, ','), [&](llvm::StringRef need) {
    return need.empty() || has(need);
  });
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
    if (needsMet(level.needs,
                 [&](llvm::StringRef need) { return features.lookup(need); }))
      best = &level;
  }
  return best;
}

/// The `heddle.level` of the function that `op` is or is in; null if it has
/// none. `top` becomes the outermost op.
static mlir::StringAttr ownLevel(mlir::Operation *op, mlir::Operation *&top) {
  for (; op; top = op, op = op->getParentOp())
    if (auto level = op->getAttrOfType<mlir::StringAttr>("heddle.level"))
      return level;
  return {};
}

const Level *codegen::levelOf(mlir::Operation *op) {
  mlir::Operation *top = op;
  if (mlir::StringAttr own = ownLevel(op, top))
    return levels().find(own);
  auto target = top->getAttrOfType<mlir::StringAttr>("heddle.target");
  return target ? levels().find(target) : nullptr;
}

static int64_t numberOf(mlir::Operation *op, int64_t Level::*field,
                        llvm::StringRef name, int64_t fallback) {
  mlir::Operation *top = op;
  if (mlir::StringAttr own = ownLevel(op, top))
    if (const Level *level = levels().find(own))
      return level->*field;
  auto attr = top->getAttrOfType<mlir::IntegerAttr>(name);
  return attr ? attr.getInt() : fallback;
}

int64_t codegen::lanesOf(mlir::Operation *op) {
  return numberOf(op, &Level::lanes, "heddle.lanes", 4);
}
int64_t codegen::registersOf(mlir::Operation *op) {
  return numberOf(op, &Level::registers, "heddle.registers", 16);
}

llvm::Expected<llvm::SmallVector<const Level *>>
codegen::findLevels(llvm::StringRef list, llvm::StringRef where) {
  llvm::SmallVector<llvm::StringRef> names;
  list.split(names, ',');
  llvm::SetVector<const Level *> named;
  for (llvm::StringRef name : names) {
    const Level *level = findLevel(name);
    if (!level)
      return failure(ExitCode::Unsupported,
                     (where + ": target = " + name + ", supported: native, " +
                      levels().names())
                         .str());
    if (!named.insert(level))
      return failure(ExitCode::Usage,
                     (where + ": target = " + list + ", which names " +
                      level->name + " twice")
                         .str());
    if (named[0]->arch != llvm::StringRef(level->arch))
      return failure(ExitCode::Unsupported,
                     (where + ": target = " + list + ", of " + named[0]->arch +
                      " and " + level->arch +
                      ", supported: levels of one architecture")
                         .str(),
                     "compile once for each architecture");
  }
  llvm::SmallVector<const Level *> found;
  for (const auto &[level, owner] : levels())
    if (named.contains(&level))
      found.push_back(&level);
  return found;
}

llvm::SmallVector<const Level *> codegen::levelsOf(mlir::ModuleOp module) {
  auto target = module->getAttrOfType<mlir::StringAttr>("heddle.target");
  if (!target)
    return {};
  auto found = findLevels(target, "");
  if (found)
    return std::move(*found);
  llvm::consumeError(found.takeError());
  return {};
}

llvm::SmallVector<std::string> codegen::levelSuffixes(mlir::ModuleOp module) {
  llvm::SmallVector<const Level *> found = levelsOf(module);
  if (found.size() < 2)
    return {""};
  return llvm::map_to_vector(
      found, [](const Level *level) { return std::string(".") + level->name; });
}

namespace {
using LevelMap = llvm::StringMap<const Level *>;
/// A probe's function and what `heddle.probe` says of it.
struct ProbeRow {
  std::string function, instruction, type;
  int64_t operations;
};
} // namespace

/// Takes functions of other levels out of a module of the LLVM dialect, and our
/// attributes, which the translation does not know, off the rest. Returns the
/// levels by function, and lists the probes.
static LevelMap detach(mlir::ModuleOp module,
                       llvm::ArrayRef<const Level *> levels,
                       std::vector<ProbeRow> &probes) {
  LevelMap map;
  llvm::SmallVector<mlir::Operation *> others;
  module.walk([&](mlir::LLVM::LLVMFuncOp func) {
    auto name = func->getAttrOfType<mlir::StringAttr>("heddle.level");
    // What is of no level runs on all of them.
    auto level =
        !name ? levels.begin() : llvm::find_if(levels, [&](const Level *l) {
          return name == llvm::StringRef(l->name);
        });
    if (level == levels.end()) {
      others.push_back(func);
      return;
    }
    map[func.getName()] = *level;
    auto probe = func->getAttrOfType<mlir::DictionaryAttr>("heddle.probe");
    if (!probe)
      return;
    auto instruction = probe.getAs<mlir::StringAttr>("instruction"),
         type = probe.getAs<mlir::StringAttr>("type");
    auto operations = probe.getAs<mlir::IntegerAttr>("operations");
    if (instruction && type && operations)
      probes.push_back({func.getName().str(), instruction.str(), type.str(),
                        operations.getInt()});
  });
  for (mlir::Operation *func : others)
    func->erase();
  module.walk([](mlir::Operation *op) {
    llvm::SmallVector<mlir::StringAttr> ours;
    for (mlir::NamedAttribute attr : op->getDiscardableAttrs())
      if (attr.getName().strref().starts_with("heddle."))
        ours.push_back(attr.getName());
    for (mlir::StringAttr name : ours)
      op->removeDiscardableAttr(name);
  });
  return map;
}

/// Defines heddle_levels (heddle_rt.h) and hides all else.
static llvm::Error addLevelTable(llvm::Module &module,
                                 llvm::ArrayRef<const Level *> levels,
                                 const LevelMap &map,
                                 llvm::ArrayRef<ProbeRow> probes) {
  auto &context = module.getContext();
  auto *pointer = llvm::PointerType::get(context, 0);
  auto *i64 = llvm::Type::getInt64Ty(context);
  auto *row = llvm::StructType::get(
      context, {pointer, pointer, pointer, pointer, pointer, pointer});
  auto *probeRow =
      llvm::StructType::get(context, {pointer, pointer, i64, pointer});
  auto text = [&](llvm::StringRef value) -> llvm::Constant * {
    auto *data = llvm::ConstantDataArray::getString(context, value);
    return new llvm::GlobalVariable(module, data->getType(), true,
                                    llvm::GlobalValue::PrivateLinkage, data);
  };
  auto table = [&](llvm::StructType *type,
                   llvm::ArrayRef<llvm::Constant *> rows) {
    auto *array = llvm::ArrayType::get(type, rows.size());
    return new llvm::GlobalVariable(module, array, true,
                                    llvm::GlobalValue::PrivateLinkage,
                                    llvm::ConstantArray::get(array, rows));
  };
  for (llvm::Function &f : module)
    if (!f.isDeclaration()) {
      const Level &level = *map.lookup(f.getName());
      f.setLinkage(llvm::GlobalValue::InternalLinkage);
      f.addFnAttr("target-cpu", level.cpu);
      f.addFnAttr("target-features", level.features);
      f.addFnAttr(llvm::Attribute::NoUnwind);
    }
  llvm::SmallVector<llvm::Constant *> rows;
  for (const Level *level : llvm::reverse(levels)) {
    llvm::SmallVector<llvm::Constant *> fields = {text(level->name),
                                                  text(level->needs)};
    for (const char *step : {"decode", "batch", "prefill"}) {
      llvm::Function *f =
          module.getFunction((llvm::Twine(step) + "." + level->name).str());
      f = f ? f : module.getFunction(step);
      if (!f)
        return failure(ExitCode::Bug, "target = " + std::string(level->name) +
                                          ": no function @" + step);
      fields.push_back(f);
    }
    llvm::SmallVector<llvm::Constant *> probeRows;
    for (const ProbeRow &probe : probes)
      if (map.lookup(probe.function) == level)
        probeRows.push_back(llvm::ConstantStruct::get(
            probeRow, {text(probe.instruction), text(probe.type),
                       llvm::ConstantInt::get(i64, probe.operations),
                       module.getFunction(probe.function)}));
    probeRows.push_back(llvm::Constant::getNullValue(probeRow));
    fields.push_back(table(probeRow, probeRows));
    rows.push_back(llvm::ConstantStruct::get(row, fields));
  }
  rows.push_back(llvm::Constant::getNullValue(row));
  llvm::GlobalVariable *all = table(row, rows);
  all->setLinkage(llvm::GlobalValue::ExternalLinkage);
  all->setName("heddle_levels");
  return llvm::Error::success();
}

llvm::Error codegen::emitObject(mlir::ModuleOp module,
                                llvm::ArrayRef<const Level *> levels,
                                llvm::StringRef path, bool assembly) {
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargets();
  llvm::InitializeAllTargetMCs();
  llvm::InitializeAllAsmPrinters();
  mlir::OwningOpRef<mlir::ModuleOp> copy(
      mlir::cast<mlir::ModuleOp>(module->clone()));
  std::vector<ProbeRow> probes;
  LevelMap map = detach(*copy, levels, probes);
  // Each function has the processor of its level; this one is for what is not
  // in functions.
  const Level &level = *levels.front();
  llvm::LLVMContext context;
  auto llvmModule = mlir::translateModuleToLLVMIR(*copy, context, "heddle");
  if (!llvmModule)
    return failure(ExitCode::Bug, "translation to LLVM IR failed");
  std::string error;
  llvm::Triple triple(level.triple);
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return failure(ExitCode::Bug,
                   "target = " + std::string(level.name) + ": " + error);
  llvm::TargetOptions options;
  // Fused operations are explicit in the IR; the back end adds none.
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  options.FunctionSections = true;
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, level.cpu, level.features, options, llvm::Reloc::PIC_,
      std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  llvmModule->setTargetTriple(triple);
  llvmModule->setDataLayout(machine->createDataLayout());
  if (llvm::Error error = addLevelTable(*llvmModule, levels, map, probes))
    return error;

  // Generated code calls no library: a loop that stores zeros stays one.
  for (llvm::Function &function : *llvmModule)
    if (!function.isDeclaration())
      function.addFnAttr("no-builtins");

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
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3)
      .run(*llvmModule, mam);

  return writeFile(path, [&](llvm::raw_pwrite_stream &os) -> llvm::Error {
    llvm::legacy::PassManager codegen;
    if (machine->addPassesToEmitFile(codegen, os, nullptr,
                                     assembly
                                         ? llvm::CodeGenFileType::AssemblyFile
                                         : llvm::CodeGenFileType::ObjectFile))
      return failure(ExitCode::Bug, "target = " + std::string(level.name) +
                                        " emits no objects");
    codegen.run(*llvmModule);
    return llvm::Error::success();
  });
}
