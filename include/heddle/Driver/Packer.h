//===- Packer.h - Stored bits to the layout kernels read --------*- C++ -*-===//
//
// Moves bits only; what they mean is the kernels' business.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_DRIVER_PACKER_H
#define HEDDLE_DRIVER_PACKER_H

#include "heddle/Import/Parameters.h"
#include "mlir/IR/BuiltinTypes.h"
#include <functional>
#include <optional>

namespace heddle {

/// Takes the next bytes of a parameter.
using ByteSink = std::function<llvm::Error(llvm::ArrayRef<uint8_t>)>;

/// Bytes of a parameter of this type: `tensor<NxKxf32, #heddle.packed<…>>`, the
/// same of rank 3, or a plain f32 tensor.
int64_t packedBytes(mlir::RankedTensorType type);

/// Writes `stored` in the layout of `type`, panel by panel, or one `matrix` of
/// rank 3; `storedRow` says where the checkpoint keeps a logical row. Holds one
/// panel in memory.
llvm::Error packParameter(const import::StoredParameter &stored,
                          mlir::RankedTensorType type,
                          llvm::function_ref<int64_t(int64_t)> storedRow,
                          const ByteSink &sink,
                          std::optional<int64_t> matrix = std::nullopt);

} // namespace heddle

#endif // HEDDLE_DRIVER_PACKER_H
