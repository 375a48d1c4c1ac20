//===- LowerGeneric.cpp - linalg on tensors to vector loops ---------------===//
//
// Per function: fuse, lay temporaries into their destinations, tile to one
// vector and single elements, vectorise, keep accumulators in registers,
// bufferize, lower to loops. Loops stay in the order of the op, so a sum is one
// ascending chain for each element: how the other dimensions are tiled, and how
// many tokens there are, changes no bit.
//
//===----------------------------------------------------------------------===//
#include "heddle/codegen/Common/Target.h"
#include "heddle/passes/Passes.h"
#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/VectorToSCF/VectorToSCF.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/Transforms/TileUsingInterface.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/LoopInvariantCodeMotionUtils.h"
#include "mlir/Transforms/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_LOWERGENERIC
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
constexpr int64_t temporaryLimit = 64 << 10, temporariesLimit = 1 << 20;

/// An init whose elements nobody reads becomes tensor.empty, which can lie in
/// the destination.
struct UnreadInit : OpInterfaceRewritePattern<linalg::LinalgOp> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;
  LogicalResult matchAndRewrite(linalg::LinalgOp op,
                                PatternRewriter &rewriter) const override {
    bool changed = false;
    if (op->getNumRegions() != 1 || op->getRegion(0).empty() ||
        !op.hasPureTensorSemantics())
      return failure();
    for (OpOperand &init : op.getDpsInitsMutable()) {
      if (op.payloadUsesValueFromOperand(&init) ||
          init.get().getDefiningOp<tensor::EmptyOp>())
        continue;
      auto sizes = tensor::getMixedSizes(rewriter, op.getLoc(), init.get());
      Value empty = tensor::EmptyOp::create(rewriter, op.getLoc(), sizes,
                                            getElementTypeOrSelf(init.get()));
      rewriter.modifyOpInPlace(op, [&] { init.set(empty); });
      changed = true;
    }
    return success(changed);
  }
};

/// An elementwise op on a temporary that nobody reads later computes in its
/// place: so what follows a sum over tokens of any number needs no temporary of
/// that size.
struct ReuseInput : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::GenericOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getNumDpsInits() != 1 || op.getNumReductionLoops() ||
        !op.getDpsInits()[0].getDefiningOp<tensor::EmptyOp>())
      return failure();
    OpOperand *init = op.getDpsInitOperand(0), *reused = nullptr;
    for (OpOperand *input : op.getDpsInputOperands())
      if (input->get().getType() == init->get().getType() &&
          input->get().getDefiningOp<linalg::LinalgOp>() &&
          llvm::all_of(input->get().getUses(),
                       [&](OpOperand &use) {
                         Operation *user = use.getOwner();
                         return &use == input ||
                                (user->getBlock() == op->getBlock() &&
                                 user->isBeforeInBlock(op));
                       }) &&
          op.getMatchingIndexingMap(input) == op.getMatchingIndexingMap(init))
        reused = input;
    if (!reused)
      return failure();
    unsigned at = reused->getOperandNumber();
    SmallVector<Value> inputs = op.getInputs();
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    inputs.erase(inputs.begin() + at);
    maps.erase(maps.begin() + at);
    auto fresh = linalg::GenericOp::create(
        rewriter, op.getLoc(), op.getResultTypes(), inputs, reused->get(), maps,
        op.getIteratorTypesArray());
    Block &body = op.getRegion().front();
    rewriter.replaceAllUsesWith(body.getArgument(at),
                                body.getArguments().back());
    rewriter.modifyOpInPlace(op, [&] { body.eraseArgument(at); });
    rewriter.inlineRegionBefore(op.getRegion(), fresh.getRegion(),
                                fresh.getRegion().begin());
    rewriter.replaceOp(op, fresh);
    return success();
  }
};

/// linalg.softmax and its like.
struct Decompose : OpInterfaceRewritePattern<linalg::AggregatedOpInterface> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;
  LogicalResult matchAndRewrite(linalg::AggregatedOpInterface op,
                                PatternRewriter &rewriter) const override {
    auto values = op.decomposeOperation(rewriter);
    if (failed(values))
      return failure();
    rewriter.replaceOp(op, *values);
    return success();
  }
};

/// Upstream tiles what reads forward: sums of loops and of positive multiples
/// of them. It gets `19 - i` wrong.
bool tiles(linalg::LinalgOp op) {
  std::function<bool(AffineExpr)> forward = [&](AffineExpr e) {
    if (auto constant = dyn_cast<AffineConstantExpr>(e))
      return constant.getValue() == 0;
    auto binary = dyn_cast<AffineBinaryOpExpr>(e);
    if (!binary)
      return isa<AffineDimExpr>(e);
    if (e.getKind() == AffineExprKind::Add)
      return forward(binary.getLHS()) && forward(binary.getRHS());
    auto factor = dyn_cast<AffineConstantExpr>(binary.getRHS());
    return e.getKind() == AffineExprKind::Mul && factor &&
           factor.getValue() > 0 && forward(binary.getLHS());
  };
  return llvm::all_of(op.getIndexingMapsArray(), [&](AffineMap map) {
    return llvm::all_of(map.getResults(), forward);
  });
}

/// Fuse where each element of the producer is then still computed once.
bool fusesOnce(OpOperand *operand) {
  Operation *producer = operand->get().getDefiningOp();
  auto consumer = dyn_cast<linalg::GenericOp>(operand->getOwner());
  return producer && consumer && producer->hasOneUse() &&
         consumer.getMatchingIndexingMap(operand).isPermutation();
}

struct LowerGeneric : heddle::impl::LowerGenericBase<LowerGeneric> {
  using LowerGenericBase::LowerGenericBase;
  int64_t width = 0; // lanes of a vector

  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (func::FuncOp func : module.getOps<func::FuncOp>()) {
      width = lanes ? lanes.getValue() : codegen::lanesOf(func);
      if (width < 1 || width > 64) {
        module.emitError("lanes = ") << width << ", limit 1 to 64";
        return signalPassFailure();
      }
      bool fires =
          func.walk([](Operation *op) {
                return isa<linalg::LinalgOp,
                           bufferization::MaterializeInDestinationOp>(op)
                           ? WalkResult::interrupt()
                           : WalkResult::advance();
              })
              .wasInterrupted();
      if (fires && failed(lower(func)))
        return signalPassFailure();
    }
  }

  LogicalResult lower(func::FuncOp func) {
    if (failed(prepare(func)) || failed(tile(func, /*vectors=*/true)) ||
        failed(clean(func)) || failed(tile(func, /*vectors=*/false)) ||
        failed(dropUnitLoops(func)))
      return failure();
    vectorize(func);
    if (failed(clean(func)))
      return failure();
    hoist(func);
    return failure(failed(bufferize(func)) || failed(toLoops(func)));
  }

  LogicalResult clean(func::FuncOp func) {
    OpPassManager pm(func::FuncOp::getOperationName());
    pm.addPass(createCanonicalizerPass());
    pm.addPass(createCSEPass());
    return runPipeline(pm, func);
  }

  LogicalResult prepare(func::FuncOp func) {
    RewritePatternSet patterns(&getContext());
    patterns.add<UnreadInit, Decompose>(&getContext());
    linalg::populateElementwiseToLinalgConversionPatterns(patterns);
    linalg::populateLinalgNamedOpsGeneralizationPatterns(patterns);
    linalg::populateElementwiseOpsFusionPatterns(patterns, fusesOnce);
    RewritePatternSet reuse(&getContext());
    reuse.add<ReuseInput>(&getContext());
    if (failed(applyPatternsGreedily(func, std::move(patterns))) ||
        failed(clean(func)) ||
        failed(applyPatternsGreedily(func, std::move(reuse))))
      return failure();
    IRRewriter rewriter(&getContext());
    return bufferization::eliminateEmptyTensors(rewriter, func);
  }

  /// Whether tiling is done with `sizes`: single elements, or one vector.
  bool isVector(ArrayRef<int64_t> sizes) const {
    return llvm::count(sizes, width) == 1 &&
           llvm::count(sizes, 1) == ssize_t(sizes.size()) - 1;
  }

  /// First to vectors along the innermost parallel dimension, exact ones
  /// through peeling; then what is left of each op to single elements.
  LogicalResult tile(func::FuncOp func, bool vectors) {
    SmallVector<linalg::LinalgOp> ops;
    func.walk([&](linalg::LinalgOp op) {
      if (tiles(op))
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (linalg::LinalgOp op : ops) {
      SmallVector<int64_t> sizes = op.getStaticLoopRanges();
      auto loops = op.getIteratorTypesArray();
      int64_t at = -1;
      if (vectors) {
        for (auto [i, type] : llvm::enumerate(loops))
          if (linalg::isParallelIterator(type) &&
              (ShapedType::isDynamic(sizes[i]) || sizes[i] >= width))
            at = i;
      } else if (isVector(sizes)) {
        continue;
      }
      SmallVector<OpFoldResult> tiles;
      int64_t vectorLoop = -1, count = 0;
      for (int64_t i = 0; i < ssize_t(sizes.size()); ++i) {
        int64_t tile = sizes[i] == 1 ? 0 : i == at ? width : 1;
        tiles.push_back(rewriter.getIndexAttr(tile));
        if (i == at)
          vectorLoop = count;
        count += tile != 0;
      }
      if (!count)
        continue;
      rewriter.setInsertionPoint(op);
      scf::SCFTilingOptions options;
      options.setTileSizes(tiles);
      auto tiled = scf::tileUsingSCF(
          rewriter, cast<TilingInterface>(op.getOperation()), options);
      if (failed(tiled))
        return op.emitError("unsupported: ")
               << op->getName() << " that does not tile";
      rewriter.replaceOp(op, tiled->replacements);
      scf::ForOp rest;
      if (vectorLoop >= 0 && width > 1)
        (void)scf::peelForLoopAndSimplifyBounds(
            rewriter, cast<scf::ForOp>(tiled->loops[vectorLoop].getOperation()),
            rest);
    }
    return success();
  }

  LogicalResult dropUnitLoops(func::FuncOp func) {
    RewritePatternSet patterns(&getContext());
    linalg::ControlDropUnitDims control;
    control.rankReductionStrategy =
        linalg::ControlDropUnitDims::RankReductionStrategy::ExtractInsertSlice;
    linalg::populateFoldUnitExtentDimsPatterns(patterns, control);
    tensor::populateMergeConsecutiveInsertExtractSlicePatterns(patterns);
    if (failed(applyPatternsGreedily(func, std::move(patterns))))
      return failure();
    return clean(func);
  }

  /// What does not vectorise, and single elements, become scalar loops later.
  void vectorize(func::FuncOp func) {
    SmallVector<linalg::LinalgOp> ops;
    func.walk([&](linalg::LinalgOp op) {
      if (isVector(op.getStaticLoopRanges()))
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (linalg::LinalgOp op : ops) {
      rewriter.setInsertionPoint(op);
      if (auto vectorized = linalg::vectorize(rewriter, op);
          succeeded(vectorized))
        rewriter.replaceOp(op, vectorized->replacements);
    }
  }

  /// Out of the loops that tiling made; those around them run other memory
  /// operations that a tensor's reader must not pass.
  void hoist(func::FuncOp func) {
    IRRewriter rewriter(&getContext());
    SmallVector<scf::ForOp> loops;
    func.walk([&](scf::ForOp loop) {
      if (llvm::any_of(loop.getResultTypes(),
                       [](Type type) { return isa<RankedTensorType>(type); }))
        loops.push_back(loop);
    });
    for (scf::ForOp loop : loops) { // inner first
      moveLoopInvariantCode(loop);
      hoistLoopInvariantSubsets(rewriter, loop);
    }
  }

  LogicalResult bufferize(func::FuncOp func) {
    IRRewriter rewriter(&getContext());
    if (failed(bufferization::eliminateEmptyTensors(rewriter, func)) ||
        failed(clean(func)))
      return failure();
    int64_t total = 0;
    bufferization::OneShotBufferizationOptions options;
    options.allocationFn = [&](OpBuilder &b, Location loc, MemRefType type,
                               ValueRange dynamic,
                               unsigned) -> FailureOr<Value> {
      auto refuse = [&]() {
        return emitError(loc) << "unsupported: kernel \"" << func.getName()
                              << "\" needs a temporary ";
      };
      if (!dynamic.empty())
        return refuse() << type << ", whose size is dynamic";
      int64_t bytes = type.getNumElements() *
                      llvm::divideCeil(type.getElementType().isIndex()
                                           ? 64
                                           : type.getElementTypeBitWidth(),
                                       8);
      total += bytes;
      if (bytes > temporaryLimit)
        return refuse() << type << " of " << bytes << " bytes, limit "
                        << temporaryLimit;
      if (total > temporariesLimit)
        return refuse() << type << " that makes " << total
                        << " bytes of them, limit " << temporariesLimit;
      // No iteration reads the buffer of another: what loops carry is updated
      // in place.
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(&func.getBody().front());
      return memref::AllocaOp::create(b, loc, type, b.getI64IntegerAttr(64))
          .getResult();
    };
    bufferization::BufferizationState state;
    if (failed(bufferization::runOneShotBufferize(func, options, state)))
      return failure();
    return clean(func);
  }

  LogicalResult toLoops(func::FuncOp func) {
    IRRewriter rewriter(&getContext());
    func.walk([&](memref::CopyOp copy) {
      rewriter.setInsertionPoint(copy);
      if (copy.getSource() != copy.getTarget())
        linalg::makeMemRefCopyOp(rewriter, copy.getLoc(), copy.getSource(),
                                 copy.getTarget());
      rewriter.eraseOp(copy);
    });
    SmallVector<linalg::LinalgOp> ops;
    func.walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (linalg::LinalgOp op : ops) {
      rewriter.setInsertionPoint(op);
      if (failed(linalg::linalgOpToLoops(rewriter, op)))
        return op.emitError("unsupported: ")
               << op->getName() << " that has no loops";
      rewriter.eraseOp(op);
    }
    // A broadcast read is one scalar and a broadcast; only a strided vector
    // goes by elements.
    RewritePatternSet reads(&getContext());
    vector::populateVectorTransferPermutationMapLoweringPatterns(reads);
    vector::populateScalarVectorTransferLoweringPatterns(
        reads, /*benefit=*/1, /*allowMultipleUses=*/true);
    vector::populateVectorTransferLoweringPatterns(reads);
    if (failed(applyPatternsGreedily(func, std::move(reads))))
      return failure();
    RewritePatternSet rest(&getContext());
    populateVectorToSCFConversionPatterns(
        rest, VectorTransferToSCFOptions().enableFullUnroll());
    populateAffineToStdConversionPatterns(rest);
    if (failed(applyPatternsGreedily(func, std::move(rest))) ||
        failed(expandMath(func)))
      return failure();
    return clean(func);
  }

  /// f32 functions, and narrower ones through f32, as arithmetic: no library is
  /// called for them. exp is ExpandMath's; upstream's rsqrt is an AVX estimate.
  LogicalResult expandMath(func::FuncOp func) {
    RewritePatternSet patterns(&getContext());
    math::populateExpansionPatterns(
        patterns,
        {"acosh", "asinh", "atanh", "cosh", "exp2", "rsqrt", "sinh", "tan"});
    populateMathF32ExpansionPatterns(patterns, [](StringRef) { return true; });
    populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) {
      return name != math::ExpOp::getOperationName() &&
             name != math::RsqrtOp::getOperationName();
    });
    if (failed(applyPatternsGreedily(func, std::move(patterns))))
      return failure();
    WalkResult known = func.walk([](Operation *op) {
      if (!isa<math::AcoshOp, math::AsinhOp, math::AtanhOp, math::CbrtOp,
               math::ErfOp, math::ErfcOp>(op))
        return WalkResult::advance();
      op->emitError("unsupported: ")
          << op->getName() << " of " << op->getResult(0).getType();
      return WalkResult::interrupt();
    });
    return failure(known.wasInterrupted());
  }
};
} // namespace
