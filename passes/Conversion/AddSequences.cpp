//===- AddSequences.cpp - Steps whose tokens are of several sequences -----===//
#include "heddle/dialects/Heddle/Heddle.h"
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_ADDSEQUENCES
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
/// What of a function goes to a cache, and the argument that its starts become.
struct Part {
  SmallVector<Operation *> ops;
  unsigned starts;
};

struct AddSequences : heddle::impl::AddSequencesBase<AddSequences> {
  static Value positionsOf(Operation *op) {
    auto append = dyn_cast<CacheAppendOp>(op);
    return append ? append.getPositions()
                  : cast<AttentionOp>(op).getPositions();
  }
  static MutableOperandRange startsOf(Operation *op) {
    auto append = dyn_cast<CacheAppendOp>(op);
    return append ? append.getStartsMutable()
                  : cast<AttentionOp>(op).getStartsMutable();
  }

  /// `positions`: the step's, in `func`; null if it has none.
  static FailureOr<Part> collect(func::FuncOp func, Value positions,
                                 unsigned starts) {
    Part part{{}, starts};
    WalkResult walked = func.walk([&](Operation *op) {
      if (!isa<CacheAppendOp, AttentionOp>(op))
        return WalkResult::advance();
      part.ops.push_back(op);
      if (positionsOf(op) == positions && startsOf(op).empty())
        return WalkResult::advance();
      op->emitError("unsupported: a cache at ")
          << (startsOf(op).empty() ? "positions" : "starts")
          << " that are no input of @forward, which bounds them";
      return WalkResult::interrupt();
    });
    if (walked.wasInterrupted())
      return failure();
    return part;
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto forward = module.lookupSymbol<func::FuncOp>("forward");
    if (!forward || forward.isExternal())
      return;
    // Tokens, positions and rows, in this order (PlanMemory.cpp).
    SmallVector<Value> inputs;
    for (BlockArgument arg : forward.getArguments())
      if (isa<RankedTensorType>(arg.getType()))
        inputs.push_back(arg);
    Value positions = inputs.size() > 1 ? inputs[1] : Value();
    llvm::MapVector<func::FuncOp, Part> parts;
    auto add = [&](func::FuncOp func, Value positions, unsigned starts) {
      FailureOr<Part> part = collect(func, positions, starts);
      if (succeeded(part))
        parts[func] = *part;
      return part;
    };
    if (failed(add(forward, positions, forward.getNumArguments())))
      return signalPassFailure();
    SmallVector<LayersOp> stacks(forward.getOps<LayersOp>());
    for (LayersOp layers : stacks) {
      // Of a kind: carried…, the slot, shared…, parameters…
      unsigned first = layers.getCarried().size() + 1,
               last = first + layers.getShared().size(),
               at = first +
                    std::distance(layers.getShared().begin(),
                                  llvm::find(layers.getShared(), positions));
      for (Attribute name : layers.getKinds()) {
        auto kind =
            module.lookupSymbol<func::FuncOp>(cast<FlatSymbolRefAttr>(name));
        Value inside = at < last ? kind.getArgument(at) : Value();
        if (failed(add(kind, inside, last)))
          return signalPassFailure();
      }
    }
    // What other functions do with caches, or with these, nobody knows of here.
    auto isPart = [&](Operation *op) {
      auto func = op->getParentOfType<func::FuncOp>();
      return func && parts.count(func);
    };
    bool others = false;
    module.walk([&](Operation *op) {
      if (isa<CacheAppendOp, AttentionOp>(op))
        others |= !isPart(op);
      else if (auto call = dyn_cast<func::CallOp>(op))
        others |=
            parts.count(module.lookupSymbol<func::FuncOp>(call.getCallee()));
    });
    if (others)
      return;
    OpBuilder b(&getContext());
    auto ids = RankedTensorType::get({ShapedType::kDynamic}, b.getI32Type());
    bool caches = false;
    for (auto &[func, part] : parts)
      for (Operation *op : part.ops) {
        if (positionsOf(op).getType() != ids)
          return; // a fixed number of tokens
        caches = true;
      }
    if (!caches)
      return;
    for (auto &[func, part] : parts) {
      DictionaryAttr input;
      if (func == forward)
        input = b.getDictionaryAttr(
            b.getNamedAttr("heddle.input", b.getStringAttr("starts")));
      (void)cast<func::FuncOp>(func).insertArgument(part.starts, ids, input,
                                                    func->getLoc());
      for (Operation *op : part.ops)
        startsOf(op).assign(func->getRegion(0).getArgument(part.starts));
    }
    for (LayersOp layers : stacks)
      layers.getSharedMutable().append(
          forward.getArgument(parts[forward].starts));
  }
};
} // namespace
