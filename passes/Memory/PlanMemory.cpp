//===- PlanMemory.cpp - Values to buffers in one static arena -------------===//
//
// A step's launches are numbered by the barriers before them (epochs). A result
// lives from the epoch that writes it to the last that reads it; two results
// may share bytes only if their lifetimes share no epoch, since threads inside
// an epoch run apart. What flows through the layers alternates between two
// buffers, so that no layer overwrites what it reads.
//
// The arena begins with the counters from which threads take items, those of
// each launch. They are zero when a step begins, and whoever leaves last leaves
// them so; a barrier stands between two runs of a launch.
//
//===----------------------------------------------------------------------===//
#include "heddle/codegen/Common/KernelBuilder.h"
#include "heddle/codegen/Common/Target.h"
#include "heddle/passes/Passes.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/MapVector.h"

namespace heddle {
#define GEN_PASS_DEF_PLANMEMORY
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
constexpr int64_t kCounterBytes = codegen::kItemCounters * 64;

int64_t alignTo64(int64_t n) { return (n + 63) / 64 * 64; }

MemRefType bufferType(RankedTensorType type) {
  return cast<MemRefType>(bufferTypes(type).front());
}

/// First-fit offsets for lifetimes in epochs.
class Arena {
public:
  explicit Arena(int64_t base) : base(base), end(base) {}
  int64_t place(int64_t bytes, int64_t from, int64_t to) {
    bytes = alignTo64(bytes);
    int64_t at = base;
    for (bool moved = true; moved;) {
      moved = false;
      for (const Block &b : blocks)
        if (b.from <= to && from <= b.to && b.at < at + bytes &&
            at < b.at + b.bytes) {
          at = b.at + b.bytes;
          moved = true;
        }
    }
    blocks.push_back({at, bytes, from, to});
    end = std::max(end, at + bytes);
    return at;
  }
  int64_t base, end;

private:
  struct Block {
    int64_t at, bytes, from, to;
  };
  SmallVector<Block> blocks;
};

struct PlanMemory : heddle::impl::PlanMemoryBase<PlanMemory> {
  SmallVector<Attribute> params;
  SmallVector<Attribute> paramTypes;
  SmallVector<Attribute> expertGroups; // of indices of params
  llvm::StringMap<int64_t> paramIndex;
  int64_t arenaBytes = 0, counters = 0, counterBytes = 0;

  int64_t addParam(StringRef name, Type type) {
    params.push_back(StringAttr::get(&getContext(), name));
    paramTypes.push_back(TypeAttr::get(type));
    return params.size() - 1;
  }

  /// Of the parameters from `first` on, those with a table for equally many
  /// experts belong together: the matrices of one expert are one piece of the
  /// file.
  void groupExperts(int64_t first) {
    llvm::MapVector<int64_t, SmallVector<int64_t>> byCount;
    for (int64_t i = first, e = params.size(); i < e; ++i) {
      auto type =
          cast<RankedTensorType>(cast<TypeAttr>(paramTypes[i]).getValue());
      if (auto packed = encodingOf<PackedAttr>(type);
          packed && packed.getTable())
        byCount[type.getDimSize(0)].push_back(i);
    }
    for (auto &[count, group] : byCount)
      expertGroups.push_back(DenseI64ArrayAttr::get(&getContext(), group));
  }

  /// One function being rewritten.
  struct Frame {
    func::FuncOp func;
    Value context, tid, nthreads;
    int64_t tokens;
    llvm::DenseMap<Value, SmallVector<Value>> buffers =
        llvm::DenseMap<Value, SmallVector<Value>>();
    llvm::DenseMap<Value, int64_t> cacheIndex =
        llvm::DenseMap<Value, int64_t>();
  };

  int64_t bytesOf(RankedTensorType type, int64_t tokens) {
    MemRefType buffer = bufferType(type);
    Type elem = buffer.getElementType();
    int64_t n = elem.isIntOrFloat()
                    ? llvm::divideCeil(elem.getIntOrFloatBitWidth(), 8)
                    : 8;
    for (int64_t d : buffer.getShape())
      n *= ShapedType::isDynamic(d) ? tokens : d;
    return n;
  }

  SmallVector<Value> cacheBuffers(OpBuilder &b, Location loc, Frame &f,
                                  CacheType type, int64_t index) {
    SmallVector<Type> types = bufferTypes(type);
    return {rt::CacheOp::create(b, loc, types[0], f.context, 2 * index,
                                type.getBlock()),
            rt::CacheOp::create(b, loc, types[1], f.context, 2 * index + 1, 1)};
  }

  Value arena(OpBuilder &b, Location loc, Frame &f, RankedTensorType type,
              int64_t offset, Value rows) {
    return rt::ArenaOp::create(b, loc, bufferType(type), f.context, offset,
                               type.isDynamicDim(0) ? rows : Value());
  }

  /// The dynamic leading dimension of a result, from the buffer it follows.
  Value rowsOf(OpBuilder &b, Location loc, Frame &f, LaunchOp launch) {
    Value last;
    for (Value input : launch.getInputs())
      if (auto type = dyn_cast<RankedTensorType>(input.getType());
          type && type.isDynamicDim(0))
        last = f.buffers[input][0]; // select_rows lists the rows last
    return last ? memref::DimOp::create(b, loc, last, 0).getResult() : Value();
  }

  /// Whether the kernel takes items from a counter; else it gets a thread's
  /// share.
  bool takesItems(LaunchOp launch) {
    auto callee = getOperation().lookupSymbol<func::FuncOp>(launch.getCallee());
    return callee && callee.getNumArguments() &&
           isa<MemRefType>(callee.getArgumentTypes().front());
  }

  void lowerLaunch(OpBuilder &b, Frame &f, LaunchOp launch) {
    Location loc = launch.getLoc();
    if (launch->hasAttr("heddle.barrier"))
      rt::BarrierOp::create(b, loc, f.context, f.tid, f.nthreads);
    if (auto record = launch->getAttrOfType<IntegerAttr>("heddle.record"))
      rt::MarkOp::create(b, loc, f.context, f.tid, record.getInt());
    SmallVector<Value> args;
    for (Value input : launch.getInputs())
      llvm::append_range(args, f.buffers[input]);
    Value lead;
    for (Value result : launch.getResults()) {
      if (auto type = dyn_cast<RankedTensorType>(result.getType())) {
        args.push_back(f.buffers[result][0]);
        lead = lead ? lead : f.buffers[result][0];
      }
    }
    if (!lead)
      for (Value input : launch.getInputs())
        if (auto type = dyn_cast<RankedTensorType>(input.getType());
            type && !encodingOf<PackedAttr>(type) && !lead)
          lead = f.buffers[input][0];
    Value rows = memref::DimOp::create(b, loc, lead, 0);
    ValueRange dims =
        launch.getItems().getNumDims() ? ValueRange(rows) : ValueRange();
    Value items =
        (*affine::expandAffineMap(b, loc, launch.getItems(), dims)).front();
    if (takesItems(launch)) {
      Value taken =
          rt::ArenaOp::create(b, loc, codegen::itemCounters(b.getContext()),
                              f.context, kCounterBytes * counters++, Value());
      args.insert(args.begin(), {taken, items, f.nthreads});
    } else {
      auto share = rt::ShareOp::create(
          b, loc, b.getIndexType(), b.getIndexType(), items, f.tid, f.nthreads);
      args.insert(args.begin(), {share.getFirst(), share.getEnd()});
    }
    func::CallOp::create(b, loc, launch.getCallee(), TypeRange(), args);
  }

  /// Lays out and lowers the launches (and layers) of one function.
  LogicalResult lower(Frame &f, int64_t base,
                      llvm::DenseMap<Value, SmallVector<Value>> given) {
    Block &block = f.func.getBody().front();
    llvm::DenseMap<Operation *, int64_t> epoch;
    int64_t now = 0;
    for (Operation &op : block) {
      if (auto launch = dyn_cast<LaunchOp>(op);
          launch && launch->hasAttr("heddle.barrier"))
        ++now;
      if (isa<LayersOp>(op))
        now += 2;
      epoch[&op] = now;
    }
    Arena plan(base);
    SmallVector<Operation *> ops;
    for (Operation &op : block)
      ops.push_back(&op);
    // Values that layers carry or share are kept apart for the whole step.
    LayersOp layers;
    for (Operation *op : ops)
      if (auto l = dyn_cast<LayersOp>(op)) {
        if (layers)
          return l.emitError(
              "unsupported: more than one heddle.layers in a step");
        layers = l;
      }
    auto pinned = [&](Value v) {
      return layers && (llvm::is_contained(layers.getCarried(), v) ||
                        llvm::is_contained(layers.getShared(), v));
    };
    OpBuilder b(&getContext());
    auto place = [&](LaunchOp launch) {
      for (Value result : launch.getResults()) {
        auto type = dyn_cast<RankedTensorType>(result.getType());
        if (!type) {
          // A cache is written in place. (Copied before the map may grow.)
          for (Value input : launch.getInputs())
            if (input.getType() == result.getType()) {
              SmallVector<Value> same = f.buffers[input];
              f.buffers[result] = same;
            }
          continue;
        }
        if (auto it = given.find(result); it != given.end()) {
          f.buffers[result] = it->second;
          continue;
        }
        int64_t to = epoch[launch];
        for (Operation *user : result.getUsers())
          to = std::max(to, epoch[user]);
        int64_t from = pinned(result) ? 0 : epoch[launch];
        int64_t at = plan.place(bytesOf(type, f.tokens), from,
                                pinned(result) ? now : to);
        f.buffers[result] = {arena(b, launch.getLoc(), f, type, at,
                                   rowsOf(b, launch.getLoc(), f, launch))};
      }
    };
    for (Operation *op : ops) {
      b.setInsertionPoint(op);
      if (auto param = dyn_cast<ParamOp>(op)) {
        auto [it, isNew] = paramIndex.try_emplace(param.getName(), 0);
        if (isNew) {
          it->second = addParam(param.getName(), param.getType());
          groupExperts(it->second);
        }
        Value index =
            arith::ConstantIndexOp::create(b, param.getLoc(), it->second);
        f.buffers[param] = {rt::ParamOp::create(
            b, param.getLoc(),
            bufferType(cast<RankedTensorType>(param.getType())), f.context,
            index)};
      } else if (auto launch = dyn_cast<LaunchOp>(op)) {
        place(launch);
        lowerLaunch(b, f, launch);
      } else if (isa<LayersOp>(op)) {
        if (failed(lowerLayers(b, f, layers, plan)))
          return failure();
      } else if (!isa<func::ReturnOp, arith::ConstantOp>(op)) {
        return op->emitError("unsupported: ")
               << op->getName() << " between kernels";
      }
    }
    arenaBytes = std::max(arenaBytes, plan.end);
    b.setInsertionPoint(block.getTerminator());
    func::ReturnOp::create(b, f.func.getLoc());
    for (Operation *op : llvm::reverse(ops)) {
      op->dropAllUses();
      op->erase();
    }
    return success();
  }

  LogicalResult lowerLayers(OpBuilder &b, Frame &f, LayersOp layers,
                            Arena &plan) {
    Location loc = layers.getLoc();
    int64_t count = layers.getOrder().size();
    // The second buffer of each carried value.
    SmallVector<Value> first, second;
    for (Value carried : layers.getCarried()) {
      auto type = dyn_cast<RankedTensorType>(carried.getType());
      if (!type)
        continue;
      Value buffer = f.buffers[carried][0];
      first.push_back(buffer);
      int64_t at = plan.place(bytesOf(type, f.tokens), 0,
                              std::numeric_limits<int64_t>::max());
      Value rows = type.isDynamicDim(0)
                       ? memref::DimOp::create(b, loc, buffer, 0).getResult()
                       : Value();
      second.push_back(arena(b, loc, f, type, at, rows));
    }
    // Rows of the table lie one after the other in the parameter list. A layer
    // of another step (decode, batch, prefill) uses the same rows.
    SmallVector<int64_t> start;
    for (auto [index, row] : llvm::enumerate(layers.getRows())) {
      auto kind = getOperation().lookupSymbol<func::FuncOp>(
          cast<FlatSymbolRefAttr>(layers.getKinds()[layers.getOrder()[index]]));
      auto names = cast<ArrayAttr>(row);
      auto types = kind.getFunctionType().getInputs().take_back(names.size());
      std::string key = "row " + std::to_string(index);
      auto [it, isNew] = paramIndex.try_emplace(key, params.size());
      if (isNew) {
        for (auto [name, type] : llvm::zip(names, types))
          addParam(cast<StringAttr>(name).getValue(), type);
        groupExperts(it->second);
      }
      start.push_back(it->second);
    }
    Value zero = arith::ConstantIndexOp::create(b, loc, 0),
          one = arith::ConstantIndexOp::create(b, loc, 1),
          end = arith::ConstantIndexOp::create(b, loc, count);
    SmallVector<Value> init(first);
    llvm::append_range(init, second);
    auto loop = scf::ForOp::create(b, loc, zero, end, one, init);
    SmallVector<Value> shared;
    for (Value value : layers.getShared())
      shared.push_back(f.buffers[value][0]);
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToEnd(loop.getBody());
      Value layer = loop.getInductionVar();
      rt::BarrierOp::create(b, loc, f.context, f.tid, f.nthreads);
      SmallVector<Value> carried(loop.getRegionIterArgs());
      llvm::append_range(carried, shared);
      callKind(b, layers, f, layer, start, carried);
      SmallVector<Value> swapped(
          loop.getRegionIterArgs().drop_front(first.size()));
      llvm::append_range(swapped,
                         loop.getRegionIterArgs().take_front(first.size()));
      scf::YieldOp::create(b, loc, swapped);
    }
    size_t next = 0;
    for (auto [carried, result] :
         llvm::zip(layers.getCarried(), layers.getResults())) {
      SmallVector<Value> same = f.buffers[carried];
      f.buffers[result] = same;
      if (isa<CacheType>(carried.getType()))
        f.cacheIndex[result] = f.cacheIndex[carried];
      else
        f.buffers[result] = {loop.getResult(next++)};
    }
    int64_t base = plan.end;
    for (Attribute kind : layers.getKinds()) {
      auto func = getOperation().lookupSymbol<func::FuncOp>(
          cast<FlatSymbolRefAttr>(kind));
      if (failed(lowerKind(func, f, layers, base)))
        return failure();
    }
    return success();
  }

  /// Calls the kind of `layer`, whose first parameter is start[layer]. One kind
  /// has equally many in each layer; of several the order is a constant table.
  void callKind(OpBuilder &b, LayersOp layers, const Frame &f, Value layer,
                ArrayRef<int64_t> start, ArrayRef<Value> others) {
    Location loc = layers.getLoc();
    auto call = [&](int64_t kind, Value first) {
      SmallVector<Value> args = {f.context, f.tid, f.nthreads, layer, first};
      llvm::append_range(args, others);
      func::CallOp::create(
          b, loc, cast<FlatSymbolRefAttr>(layers.getKinds()[kind]).getValue(),
          TypeRange(), args);
    };
    auto constant = [&](int64_t value) -> Value {
      return arith::ConstantIndexOp::create(b, loc, value);
    };
    if (layers.getKinds().size() == 1) {
      int64_t stride = start.size() > 1 ? start[1] - start[0] : 0;
      Value offset = arith::MulIOp::create(b, loc, layer, constant(stride));
      call(0, arith::AddIOp::create(b, loc, offset,
                                    constant(start.empty() ? 0 : start[0])));
      return;
    }
    SmallVector<int64_t> cases;
    for (size_t i = 0; i < layers.getOrder().size(); ++i)
      cases.push_back(i);
    auto select = scf::IndexSwitchOp::create(b, loc, TypeRange(), layer, cases,
                                             cases.size());
    auto fill = [&](Region &region, std::optional<size_t> index) {
      OpBuilder::InsertionGuard guard(b);
      b.createBlock(&region);
      if (index)
        call(layers.getOrder()[*index], constant(start[*index]));
      scf::YieldOp::create(b, loc);
    };
    for (auto [index, region] : llvm::enumerate(select.getCaseRegions()))
      fill(region, index);
    fill(select.getDefaultRegion(), std::nullopt);
  }

  LogicalResult lowerKind(func::FuncOp func, Frame &outer, LayersOp layers,
                          int64_t base) {
    if (!func.getBody().hasOneBlock() ||
        !func.getBody().front().getOps<LayersOp>().empty())
      return func.emitError("unsupported: a layer kind that is not one block "
                            "without heddle.layers");
    Builder builder(&getContext());
    Type index = builder.getIndexType(),
         context = rt::ContextType::get(&getContext());
    Block &block = func.getBody().front();
    SmallVector<BlockArgument> old(block.getArguments());
    size_t carried = layers.getCarried().size(),
           shared = layers.getShared().size();
    SmallVector<Type> inputs = {context, index, index, index, index};
    SmallVector<Type> tensors;
    for (Value v : layers.getCarried())
      if (auto type = dyn_cast<RankedTensorType>(v.getType()))
        tensors.push_back(bufferType(type));
    llvm::append_range(inputs, tensors);
    llvm::append_range(inputs, tensors);
    for (Value v : layers.getShared())
      inputs.push_back(bufferType(cast<RankedTensorType>(v.getType())));
    SmallVector<Value> fresh;
    for (Type type : inputs)
      fresh.push_back(block.addArgument(type, func.getLoc()));

    Frame f{func, fresh[0], fresh[1], fresh[2], outer.tokens};
    OpBuilder b = OpBuilder::atBlockBegin(&block);
    llvm::DenseMap<Value, SmallVector<Value>> given;
    size_t tensor = 0;
    auto ret = cast<func::ReturnOp>(block.getTerminator());
    for (size_t i = 0; i < carried; ++i) {
      if (auto cache = dyn_cast<CacheType>(old[i].getType())) {
        f.cacheIndex[old[i]] = outer.cacheIndex[layers.getCarried()[i]];
        f.buffers[old[i]] =
            cacheBuffers(b, func.getLoc(), f, cache, f.cacheIndex[old[i]]);
        continue;
      }
      f.buffers[old[i]] = {fresh[5 + tensor]};
      if (!ret.getOperand(i).getDefiningOp<LaunchOp>())
        return func.emitError("unsupported: a layer that returns its input");
      given[ret.getOperand(i)] = {fresh[5 + tensors.size() + tensor]};
      ++tensor;
    }
    f.buffers[old[carried]] = {fresh[3]};
    for (size_t i = 0; i < shared; ++i)
      f.buffers[old[carried + 1 + i]] = {fresh[5 + 2 * tensors.size() + i]};
    for (size_t i = carried + 1 + shared; i < old.size(); ++i) {
      Value at = arith::AddIOp::create(
          b, func.getLoc(), fresh[4],
          arith::ConstantIndexOp::create(b, func.getLoc(),
                                         i - (carried + 1 + shared)));
      f.buffers[old[i]] = {rt::ParamOp::create(
          b, func.getLoc(),
          bufferType(cast<RankedTensorType>(old[i].getType())), f.context, at)};
    }
    if (failed(lowerBody(f, base, given)))
      return failure();
    block.eraseArguments(0, old.size());
    func.setType(builder.getFunctionType(inputs, {}));
    func.setPrivate();
    return success();
  }

  /// `lower`, on a body whose head already holds this pass's own ops.
  LogicalResult lowerBody(Frame &f, int64_t base,
                          llvm::DenseMap<Value, SmallVector<Value>> given) {
    Block &block = f.func.getBody().front();
    // Split this pass's ops off, plan the rest, put them back.
    SmallVector<Operation *> head;
    for (Operation &op : block)
      if (isa<rt::ParamOp, rt::CacheOp, rt::InputOp>(op) ||
          isa<arith::AddIOp, arith::ConstantIndexOp>(op))
        head.push_back(&op);
    for (Operation *op : head) {
      if (isa<arith::ConstantIndexOp>(op)) // a slot that is known
        f.buffers.try_emplace(op->getResult(0), op->getResults());
      op->remove();
    }
    LogicalResult result = lower(f, base, given);
    for (Operation *op : llvm::reverse(head))
      block.push_front(op);
    return result;
  }

  LogicalResult lowerStep(func::FuncOp func) {
    Builder builder(&getContext());
    auto tokens = func->getAttrOfType<IntegerAttr>("heddle.max_tokens");
    if (!tokens || tokens.getInt() < 1)
      return func.emitError("@")
             << func.getName()
             << " needs heddle.max_tokens, a positive integer";
    if (!func.getBody().hasOneBlock() || func.getNumResults() == 0 ||
        !isa<RankedTensorType>(func.getResultTypes()[0]))
      return func.emitError("@")
             << func.getName()
             << " needs a body of one block that returns logits";
    Type index = builder.getIndexType(),
         context = rt::ContextType::get(&getContext());
    Block &block = func.getBody().front();
    SmallVector<BlockArgument> old(block.getArguments());
    SmallVector<Type> inputs = {context, index, index};
    SmallVector<Value> fresh;
    for (Type type : inputs)
      fresh.push_back(block.addArgument(type, func.getLoc()));
    Frame f{func, fresh[0], fresh[1], fresh[2], tokens.getInt()};
    OpBuilder b = OpBuilder::atBlockBegin(&block);
    static constexpr StringLiteral names[] = {"tokens", "positions", "rows"};
    auto named = [&](BlockArgument arg) {
      return func.getArgAttrOfType<StringAttr>(arg.getArgNumber(),
                                               "heddle.input");
    };
    int64_t caches = 0, ids = 0;
    bool sequences = false;
    SmallVector<Attribute> cacheTypes;
    for (BlockArgument arg : old) {
      if (auto cache = dyn_cast<CacheType>(arg.getType())) {
        f.cacheIndex[arg] = caches;
        f.buffers[arg] = cacheBuffers(b, func.getLoc(), f, cache, caches++);
        cacheTypes.push_back(TypeAttr::get(cache));
      } else if (auto type = dyn_cast<RankedTensorType>(arg.getType());
                 type && (named(arg) || ids < 3)) {
        StringRef name =
            named(arg) ? named(arg).getValue() : StringRef(names[ids++]);
        sequences |= name == "starts";
        f.buffers[arg] = {rt::InputOp::create(
            b, func.getLoc(), bufferType(type), f.context, name)};
      } else {
        return func.emitError("unsupported: a step with argument ")
               << arg.getType();
      }
    }
    getOperation()->setAttr("heddle.caches", builder.getArrayAttr(cacheTypes));
    getOperation()->setAttr("heddle.sequences", builder.getBoolAttr(sequences));
    Value logits = cast<func::ReturnOp>(block.getTerminator()).getOperand(0);
    llvm::DenseMap<Value, SmallVector<Value>> given;
    given[logits] = {rt::InputOp::create(
        b, func.getLoc(), bufferType(cast<RankedTensorType>(logits.getType())),
        f.context, "logits")};
    if (failed(lowerBody(f, counterBytes, given)))
      return failure();
    block.eraseArguments(0, old.size());
    func.setType(builder.getFunctionType(inputs, {}));
    return success();
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    module.walk([&](LaunchOp launch) {
      counterBytes += takesItems(launch) ? kCounterBytes : 0;
    });
    for (const std::string &suffix : codegen::levelSuffixes(module))
      for (const char *step : {"decode", "batch", "prefill"})
        if (auto func = module.lookupSymbol<func::FuncOp>(step + suffix))
          if (failed(lowerStep(func)))
            return signalPassFailure();
    Builder b(&getContext());
    module->setAttr("heddle.arena_bytes", b.getI64IntegerAttr(arenaBytes));
    module->setAttr("heddle.params", b.getArrayAttr(params));
    module->setAttr("heddle.param_types", b.getArrayAttr(paramTypes));
    if (!expertGroups.empty())
      module->setAttr("heddle.expert_groups", b.getArrayAttr(expertGroups));
  }
};
} // namespace
