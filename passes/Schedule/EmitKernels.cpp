//===- EmitKernels.cpp - Kernels to functions of vector loops -------------===//
#include "heddle/codegen/Common/EmitMatmul.h"
#include "heddle/codegen/Common/KernelBuilder.h"
#include "heddle/passes/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Verifier.h"

namespace heddle {
#define GEN_PASS_DEF_EMITKERNELS
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;

namespace {
FailureOr<AffineMap> itemsOf(KernelOp kernel) {
  MLIRContext *context = kernel.getContext();
  AffineExpr rows = getAffineDimExpr(0, context);
  if (llvm::is_contained({"generic", "plan"},
                         kernel.getScheduleAttr().getEmitter()))
    return AffineMap::get(1, 0, getAffineConstantExpr(1, context));
  if (kernel.getScheduleAttr().getEmitter() == "matmul") {
    auto parts = partsOf(kernel);
    if (failed(parts))
      return failure();
    return AffineMap::get(1, 0, getAffineConstantExpr(parts->items(), context));
  }
  if (kernel.getScheduleAttr().getEmitter() == "expand")
    return AffineMap::get(
        1, 0, getAffineConstantExpr(codegen::expandItems(kernel), context));
  if (kernel.getScheduleAttr().getEmitter() == "experts") {
    auto parts = expertPartsOf(kernel);
    if (failed(parts))
      return failure();
    return AffineMap::get(1, 0, getAffineConstantExpr(parts->items(), context));
  }
  if (auto attention = dyn_cast<AttentionOp>(kernel.getBody().front().front()))
    return AffineMap::get(
        1, 0,
        rows.ceilDiv(std::max<int64_t>(
            1, kernel.getScheduleAttr().get("token_tile", 1))) *
            (attention.getHeads() / codegen::headTileOf(kernel)));
  return AffineMap::get(1, 0, rows);
}

/// Long items go to whichever thread is free. Rows stay with their thread, so
/// that the next kernel of rows needs no barrier.
bool isTaken(KernelOp kernel) {
  return llvm::is_contained({"matmul", "experts", "attention", "expand"},
                            kernel.getScheduleAttr().getEmitter());
}

struct EmitKernels : heddle::impl::EmitKernelsBase<EmitKernels> {
  llvm::StringMap<func::FuncOp> emitted; // by what the kernel computes

  void runOnOperation() override {
    SmallVector<KernelOp> kernels;
    getOperation().walk([&](KernelOp kernel) { kernels.push_back(kernel); });
    for (KernelOp kernel : kernels)
      if (failed(emit(kernel)))
        return signalPassFailure();
  }

  /// The level that the kernel's function is for; null where there is one.
  static StringAttr levelOf(KernelOp kernel) {
    return kernel->getParentOfType<func::FuncOp>()->getAttrOfType<StringAttr>(
        "heddle.level");
  }

  /// Text that is equal for kernels that may share a function.
  std::string key(KernelOp kernel) {
    std::string text;
    llvm::raw_string_ostream os(text);
    os << levelOf(kernel) << ' ';
    for (Type type : kernel.getOperandTypes())
      os << type << ' ';
    os << kernel.getScheduleAttr() << ' ';
    kernel.getBody().front().print(os);
    return text;
  }

  LogicalResult emit(KernelOp kernel) {
    ScheduleAttr schedule = kernel.getScheduleAttr();
    if (!schedule)
      return kernel.emitError("kernel \"")
             << kernel.getName() << "\" has no schedule";
    EmitFn emitter = llvm::StringSwitch<EmitFn>(schedule.getEmitter())
                         .Case("matmul", emitMatmul)
                         .Case("attention", emitAttention)
                         .Case("expand", emitExpand)
                         .Case("generic", emitGeneric)
                         .Case("experts", emitExperts)
                         .Case("plan", emitPlan)
                         .Case("rows", emitRows)
                         .Default(nullptr);
    if (!emitter)
      return kernel.emitError("unsupported: emitter \"")
             << schedule.getEmitter() << "\"";
    int64_t lanes = schedule.get("lanes", 4);
    if (lanes < 1 || lanes > 64 || (lanes & (lanes - 1)))
      return kernel.emitError("lanes = ")
             << lanes << ", limit a power of two, 1 to 64";
    func::FuncOp &func = emitted[key(kernel)];
    if (!func && failed(create(kernel, emitter, func)))
      return failure();
    return launch(kernel, func);
  }

  LogicalResult create(KernelOp kernel, EmitFn emitter, func::FuncOp &func) {
    OpBuilder builder(&getContext());
    builder.setInsertionPointToStart(getOperation().getBody());
    Type index = builder.getIndexType();
    SmallVector<Type> inputs = {index, index};
    if (isTaken(kernel))
      inputs = {codegen::itemCounters(&getContext()), index, index};
    for (Type type : kernel.getOperandTypes())
      llvm::append_range(inputs, bufferTypes(type));
    for (Type type : kernel.getResultTypes())
      if (!isa<CacheType>(type))
        llvm::append_range(inputs, bufferTypes(type));
    std::string name =
        "k" + std::to_string(emitted.size()) + "." + kernel.getName().str();
    StringAttr level = levelOf(kernel);
    if (level)
      name += "." + level.str();
    func = func::FuncOp::create(builder, kernel.getLoc(), name,
                                builder.getFunctionType(inputs, {}));
    func.setPrivate();
    if (level)
      func->setAttr("heddle.level", level);
    Block *entry = func.addEntryBlock();
    builder.setInsertionPointToStart(entry);
    KernelBuilder b(kernel.getLoc(), builder,
                    kernel.getScheduleAttr().get("lanes", 4));
    ValueRange args = entry->getArguments();
    if (isTaken(kernel))
      b.threads = args[2];
    auto fixed = [&](llvm::function_ref<void(Value)> body) {
      b.loop(args[0], args[1], 1, body);
    };
    auto taken = [&](llvm::function_ref<void(Value)> body) {
      b.takeItems(args[0], args[1], args[2], body);
    };
    if (failed(isTaken(kernel) ? emitter(b, kernel, taken, args.drop_front(3))
                               : emitter(b, kernel, fixed, args.drop_front(2))))
      return failure();
    func::ReturnOp::create(b);
    return success();
  }

  LogicalResult launch(KernelOp kernel, func::FuncOp func) {
    auto items = itemsOf(kernel);
    if (failed(items))
      return failure();
    OpBuilder builder(kernel);
    // Row-wise ops touch row = item of every activation and list of ids. Rows
    // that others list or place are read anywhere.
    Block &body = kernel.getBody().front();
    bool rowWise = kernel.getScheduleAttr().getEmitter() == "rows" &&
                   !isa<SelectRowsOp>(body.front()),
         placed = isa<DispatchOp, CombineOp>(body.front());
    SmallVector<bool> inputs, results;
    for (Type type : kernel.getOperandTypes())
      inputs.push_back(rowWise && !placed && isa<RankedTensorType>(type));
    for (Type type : kernel.getResultTypes())
      results.push_back(rowWise && isa<RankedTensorType>(type));
    auto launch = LaunchOp::create(
        builder, kernel.getLoc(), kernel.getResultTypes(),
        FlatSymbolRefAttr::get(func), kernel.getInputs(),
        AffineMapAttr::get(*items), builder.getDenseBoolArrayAttr(inputs),
        builder.getDenseBoolArrayAttr(results));
    if (Attribute record = kernel->getAttr("heddle.record"))
      launch->setAttr("heddle.record", record);
    kernel.replaceAllUsesWith(launch.getResults());
    kernel.erase();
    return success();
  }
};
} // namespace
