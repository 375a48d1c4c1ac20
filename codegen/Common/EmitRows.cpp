//===- EmitRows.cpp - Kernels of row-wise ops -----------------------------===//
//
// An item is a token. The kernel's ops run one after the other on that token's
// row; a value that only later ops of the kernel read stays in a buffer on the
// stack. An op that has no emitter, or is named in the schedule's `generic`,
// becomes linalg on tensors of one row.
//
//===----------------------------------------------------------------------===//
#include "heddle/codegen/Common/RowOps.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;

LogicalResult codegen::emitRows(KernelBuilder &b, KernelOp kernel,
                                ItemLoop items, ValueRange args) {
  Block &body = kernel.getBody().front();
  RowOps e(b, kernel.getScheduleAttr());
  // Arguments: two buffers for a cache, one for all else.
  llvm::DenseMap<Value, Value> buffers;
  size_t next = 0;
  for (BlockArgument arg : body.getArguments()) {
    e.whole[arg] = {args[next++]};
    if (isa<CacheType>(arg.getType()))
      e.whole[arg].push_back(args[next++]);
    else
      buffers[arg] = e.whole[arg][0];
  }
  for (Value result : body.getTerminator()->getOperands())
    if (isa<RankedTensorType>(result.getType()))
      buffers[result] = args[next++];
  for (Operation &op : body.without_terminator())
    for (Value result : op.getResults())
      if (isa<RankedTensorType>(result.getType()) && !buffers.count(result))
        buffers[result] =
            b.localRows(cast<RankedTensorType>(result.getType()), 1);
  for (auto embedding : body.getOps<EmbeddingOp>())
    if (!encodingOf<PackedAttr>(embedding.getTable()))
      return embedding.emitError("an embedding needs a packed table");

  LogicalResult result = success();
  items([&](Value t) {
    for (auto [value, buffer] : buffers)
      e.rows[value] = {
          buffer, buffer.getDefiningOp<memref::AllocaOp>() ? b.index(0) : t,
          b.index(0)};
    for (Operation &op : body.without_terminator())
      if (succeeded(result))
        result = e.emit(&op, rowWidth(&op));
  });
  return result;
}
