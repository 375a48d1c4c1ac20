//===- LowerRuntime.cpp - The runtime boundary to the C ABI ---------------===//
//
// Offsets are those of `heddle_context` in heddle/runtime/heddle_rt.h; a table
// is its `heddle_experts`, word by word.
//
//===----------------------------------------------------------------------===//
#include "heddle/passes/Passes.h"
#include "heddle/runtime/heddle_rt.h"
#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include <cstddef>

namespace heddle {
#define GEN_PASS_DEF_LOWERRUNTIME
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

static_assert(offsetof(heddle_experts, address) == kTableHeader * 8);

namespace {
struct LowerRuntime : heddle::impl::LowerRuntimeBase<LowerRuntime> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    LLVMTypeConverter converter(context);
    Type pointer = LLVM::LLVMPointerType::get(context),
         i64 = IntegerType::get(context, 64);
    auto isContext = [](Type type) { return isa<rt::ContextType>(type); };

    getOperation().walk([&](func::FuncOp func) {
      SmallVector<Type> inputs(func.getFunctionType().getInputs());
      for (Type &type : inputs)
        if (isContext(type))
          type = pointer;
      func.setType(FunctionType::get(context, inputs,
                                     func.getFunctionType().getResults()));
      for (Block &block : func.getBody())
        for (BlockArgument arg : block.getArguments())
          if (isContext(arg.getType()))
            arg.setType(pointer);
    });

    OpBuilder b(context);
    auto at = [&](Location loc, Value base, int64_t offset) -> Value {
      return LLVM::GEPOp::create(
          b, loc, pointer, b.getI8Type(), base,
          ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
    };
    auto loadAt = [&](Location loc, Value ctx, size_t offset,
                      Type type) -> Value {
      return LLVM::LoadOp::create(b, loc, type, at(loc, ctx, offset));
    };
    auto toI64 = [&](Location loc, Value v) -> Value {
      return arith::IndexCastOp::create(b, loc, i64, v);
    };
    auto constant = [&](Location loc, int64_t v) -> Value {
      return LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(v));
    };
    auto toPointer = [&](Location loc, Value word) -> Value {
      return LLVM::IntToPtrOp::create(b, loc, pointer, word);
    };
    auto ifNotNull = [&](Location loc, Value callee,
                         llvm::function_ref<void()> then) {
      Value wanted =
          LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, callee,
                               LLVM::ZeroOp::create(b, loc, pointer));
      auto branch = scf::IfOp::create(b, loc, wanted, /*withElseRegion=*/false);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(branch.thenBlock());
      then();
    };
    /// A contiguous buffer at `data`; `dynamic` is its one dynamic size.
    auto descriptor = [&](Location loc, MemRefType type, Value data,
                          Value dynamic) -> Value {
      auto d = MemRefDescriptor::poison(b, loc, converter.convertType(type));
      d.setAllocatedPtr(b, loc, data);
      d.setAlignedPtr(b, loc, data);
      d.setConstantOffset(b, loc, 0);
      Value stride = constant(loc, 1);
      for (int64_t i = type.getRank() - 1; i >= 0; --i) {
        Value size =
            type.isDynamicDim(i) ? dynamic : constant(loc, type.getDimSize(i));
        d.setSize(b, loc, i, size);
        d.setStride(b, loc, i, stride);
        if (i > 0)
          stride = LLVM::MulOp::create(b, loc, stride, size);
      }
      return UnrealizedConversionCastOp::create(b, loc, type, Value(d))
          .getResult(0);
    };

    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa<rt::HeddleRTDialect>(op->getDialect()))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      b.setInsertionPoint(op);
      Location loc = op->getLoc();
      Value ctx = op->getNumOperands() ? op->getOperand(0) : Value();
      if (auto param = dyn_cast<rt::ParamOp>(op)) {
        Value table =
            loadAt(loc, ctx, offsetof(heddle_context, params), pointer);
        Value slot = LLVM::GEPOp::create(
            b, loc, pointer, pointer, table,
            ArrayRef<LLVM::GEPArg>{toI64(loc, param.getIndex())});
        Value data = LLVM::LoadOp::create(b, loc, pointer, slot);
        param.replaceAllUsesWith(
            descriptor(loc, cast<MemRefType>(param.getType()), data, {}));
      } else if (auto expert = dyn_cast<rt::ExpertOp>(op)) {
        Value word = arith::AddIOp::create(
            b, loc, expert.getIndex(),
            arith::ConstantIndexOp::create(b, loc, kTableHeader));
        Value address = memref::LoadOp::create(b, loc, expert.getTable(), word);
        expert.replaceAllUsesWith(descriptor(loc,
                                             cast<MemRefType>(expert.getType()),
                                             toPointer(loc, address), {}));
      } else if (auto fetch = dyn_cast<rt::FetchOp>(op)) {
        Value callee = toPointer(
            loc, memref::LoadOp::create(
                     b, loc, fetch.getTable(),
                     ValueRange{arith::ConstantIndexOp::create(b, loc, 0)}));
        auto count =
            cast<MemRefType>(fetch.getChosen().getType()).getNumElements();
        auto type = LLVM::LLVMFunctionType::get(
            LLVM::LLVMVoidType::get(context), {pointer, pointer, i64, i64});
        ifNotNull(loc, callee, [&] {
          auto dataOf = [&](Value buffer) {
            return toPointer(
                loc, toI64(loc, memref::ExtractAlignedPointerAsIndexOp::create(
                                    b, loc, buffer)));
          };
          SmallVector<Value> args = {
              callee, dataOf(fetch.getTable()), dataOf(fetch.getChosen()),
              constant(loc, fetch.getGrouped() ? count - 1 : count),
              constant(loc, fetch.getGrouped())};
          LLVM::CallOp::create(b, loc, type, args);
        });
      } else if (auto cache = dyn_cast<rt::CacheOp>(op)) {
        Value table =
            loadAt(loc, ctx, offsetof(heddle_context, caches), pointer);
        Value data = LLVM::LoadOp::create(
            b, loc, pointer, at(loc, table, cache.getIndex() * sizeof(void *)));
        Value capacity =
            loadAt(loc, ctx, offsetof(heddle_context, capacity), i64);
        Value size = LLVM::UDivOp::create(b, loc, capacity,
                                          constant(loc, cache.getDivisor()));
        cache.replaceAllUsesWith(
            descriptor(loc, cast<MemRefType>(cache.getType()), data, size));
      } else if (auto arena = dyn_cast<rt::ArenaOp>(op)) {
        Value base = loadAt(loc, ctx, offsetof(heddle_context, arena), pointer);
        Value data = LLVM::GEPOp::create(
            b, loc, pointer, b.getI8Type(), base,
            ArrayRef<LLVM::GEPArg>{constant(loc, arena.getOffset())});
        Value rows = arena.getRows() ? toI64(loc, arena.getRows()) : Value();
        arena.replaceAllUsesWith(
            descriptor(loc, cast<MemRefType>(arena.getType()), data, rows));
      } else if (auto input = dyn_cast<rt::InputOp>(op)) {
        StringRef name = input.getName();
        size_t offset = name == "tokens" ? offsetof(heddle_context, tokens)
                        : name == "positions"
                            ? offsetof(heddle_context, positions)
                        : name == "starts" ? offsetof(heddle_context, starts)
                        : name == "rows"   ? offsetof(heddle_context, rows)
                                           : offsetof(heddle_context, logits);
        bool perRow = name == "rows" || name == "logits";
        Value data = loadAt(loc, ctx, offset, pointer);
        Value count = loadAt(loc, ctx,
                             perRow ? offsetof(heddle_context, n_rows)
                                    : offsetof(heddle_context, n_tokens),
                             i64);
        input.replaceAllUsesWith(
            descriptor(loc, cast<MemRefType>(input.getType()), data, count));
      } else if (auto share = dyn_cast<rt::ShareOp>(op)) {
        Value one = arith::ConstantIndexOp::create(b, loc, 1);
        auto part = [&](Value thread) -> Value {
          return arith::DivUIOp::create(
              b, loc, arith::MulIOp::create(b, loc, share.getItems(), thread),
              share.getNthreads());
        };
        Value first = part(share.getTid()),
              end = part(arith::AddIOp::create(b, loc, share.getTid(), one));
        share.replaceAllUsesWith(ValueRange{first, end});
      } else if (auto barrier = dyn_cast<rt::BarrierOp>(op)) {
        Value callee =
            loadAt(loc, ctx, offsetof(heddle_context, barrier), pointer);
        auto type = LLVM::LLVMFunctionType::get(
            LLVM::LLVMVoidType::get(context), {pointer, i64, i64});
        SmallVector<Value> args = {callee, ctx, toI64(loc, barrier.getTid()),
                                   toI64(loc, barrier.getNthreads())};
        LLVM::CallOp::create(b, loc, type, args);
      } else if (auto mark = dyn_cast<rt::MarkOp>(op)) {
        Value callee =
            loadAt(loc, ctx, offsetof(heddle_context, mark), pointer);
        ifNotNull(loc, callee, [&] {
          auto type = LLVM::LLVMFunctionType::get(
              LLVM::LLVMVoidType::get(context), {pointer, i64, i64});
          SmallVector<Value> args = {callee, ctx, toI64(loc, mark.getTid()),
                                     constant(loc, mark.getKernel())};
          LLVM::CallOp::create(b, loc, type, args);
        });
      }
      op->erase();
    }
  }
};
} // namespace
