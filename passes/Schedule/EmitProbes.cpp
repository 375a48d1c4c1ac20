//===- EmitProbes.cpp - Loops for the peak of dot instructions ------------===//
//
// A limit is measured with the instruction that the kernels use, by code that
// is generated from the same description.
//
//===----------------------------------------------------------------------===//
#include "heddle/codegen/Common/Probe.h"
#include "heddle/passes/Passes.h"
#include "heddle/runtime/heddle_rt.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace heddle {
#define GEN_PASS_DEF_EMITPROBES
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;

namespace {
struct EmitProbes : heddle::impl::EmitProbesBase<EmitProbes> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<const Level *> levels = levelsOf(module);
    SmallVector<std::string> suffixes = levelSuffixes(module);
    for (auto [level, suffix] : llvm::zip(levels, suffixes))
      for (const DotProbe &probe : dotProbesOf(&getContext(), *level)) {
        std::string name = "probe." + probe.type + suffix;
        if (Operation *taken = module.lookupSymbol(name)) {
          taken->emitError("@") << name << " is there before the probe";
          return signalPassFailure();
        }
        emit(name, *level, levels.size() > 1, probe);
      }
  }

  void emit(StringRef name, const Level &level, bool several,
            const DotProbe &probe) {
    ModuleOp module = getOperation();
    auto builder = OpBuilder::atBlockEnd(module.getBody());
    Type index = builder.getIndexType(),
         context = rt::ContextType::get(&getContext());
    auto func = func::FuncOp::create(
        builder, module.getLoc(), name,
        builder.getFunctionType({context, index, index}, {}));
    if (several)
      func->setAttr("heddle.level", builder.getStringAttr(level.name));
    // More sums than any instruction's latency has turns; the rest of the
    // registers holds operands.
    int64_t sums = level.registers * 3 / 4;
    func->setAttr(
        "heddle.probe",
        builder.getDictionaryAttr(
            {builder.getNamedAttr("instruction",
                                  builder.getStringAttr(probe.instruction)),
             builder.getNamedAttr("type", builder.getStringAttr(probe.type)),
             builder.getNamedAttr(
                 "operations",
                 builder.getI64IntegerAttr(probe.operations * sums))}));
    Block *entry = func.addEntryBlock();
    builder.setInsertionPointToStart(entry);
    KernelBuilder b(module.getLoc(), builder, level.lanes);
    Value ctx = entry->getArgument(0), thread = entry->getArgument(1),
          threads = entry->getArgument(2);
    auto tokens = rt::InputOp::create(
        b, MemRefType::get({ShapedType::kDynamic}, b.getI32Type()), ctx,
        "tokens");
    int64_t lanes = probe.sum.getDimSize(0);
    Type elem = probe.sum.getElementType();
    auto out = rt::ArenaOp::create(
        b,
        MemRefType::get({ShapedType::kDynamic,
                         HEDDLE_PROBE_BYTES * 8 / elem.getIntOrFloatBitWidth()},
                        elem),
        ctx, /*offset=*/0, threads);
    KernelBuilder::Values start(sums, b.splat(probe.sum, 1));
    KernelBuilder::Values made =
        b.loop(b.index(0), b.dim(tokens, 0), 1, start,
               [&](Value, KernelBuilder::Values values) {
                 for (Value &value : values)
                   value = probe.step(b, value);
                 return values;
               });
    for (auto [i, value] : llvm::enumerate(made))
      b.storeVec(value, out, {thread, b.index(i * lanes)});
    func::ReturnOp::create(b);
  }
};
} // namespace
