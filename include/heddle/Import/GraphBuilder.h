//===- GraphBuilder.h - What a family writes its graph with -----*- C++ -*-===//
//
// A family first reads its config and declares its tensors, then builds ops.
// Reading remembers what is wrong instead of stopping, so that one message
// names everything; `check` returns it. Values that follow a problem are
// placeholders and must not be computed with before `check` succeeded.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_IMPORT_GRAPHBUILDER_H
#define HEDDLE_IMPORT_GRAPHBUILDER_H

#include "heddle/Import/ModelSource.h"
#include "heddle/dialects/Heddle/Heddle.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringSet.h"

namespace heddle::import {

struct EncodingInfo;
/// The canonical form of a source encoding, as an attribute.
EncAttr encodingAttr(mlir::MLIRContext &context, const EncodingInfo &info);

/// How a format calls tensors, where it is not as GGUF: a name is a stem and
/// `.weight` or
/// `.bias`, and that of a layer stands behind a prefix and the layer's number.
/// Stems that are not listed are the same. What the format calls a stem may
/// have the `*` of Parameters.h for a tensor an expert; one with the steps of a
/// view is the whole name, without `.weight`. Where GGUF's side has an end,
/// both are whole names.
struct TensorNames {
  using Pair = std::pair<llvm::StringRef, llvm::StringRef>;
  llvm::StringRef layerPrefix = "blk.";
  /// GGUF's stem, the format's; those of `experts` and `shared`, the experts
  /// that every token goes through, are a layer's too.
  llvm::ArrayRef<Pair> model, layer, experts = {}, shared = {};
  /// The stored name of `name`, which is GGUF's.
  std::string stored(llvm::StringRef name) const;
  /// Whether a stored name has a listed stem.
  bool knows(llvm::StringRef stored) const;
};

/// A tensor that each layer has, as `blk.N.` + suffix.
struct LayerTensor {
  llvm::StringRef suffix;
  llvm::SmallVector<int64_t, 3> shape;
  bool optional = false;
};

/// The layers of a model, as runs of equal kinds. Filled by declareLayers.
struct LayerStack {
  /// Per kind: which tensors it has, and their types.
  struct Kind {
    llvm::SmallVector<llvm::StringRef> suffixes;
    llvm::SmallVector<mlir::Type> types;
    /// What else tells kinds apart, in the family's own terms.
    int64_t variant = 0;
  };
  std::vector<Kind> kinds;
  /// Per layer: its kind.
  std::vector<int32_t> order;
};

class GraphBuilder {
public:
  /// A family names tensors as GGUF does; `names` says what the format calls
  /// them, and that is what the graph and messages have. Notes the tensors of
  /// `source` that Heddle cannot read: of an encoding that it does not have, or
  /// of rank 1 and not of floats. Where `names` are listed, of those it knows:
  /// others are not the model's.
  GraphBuilder(const ModelSource &source, mlir::ModuleOp module,
               TensorNames names = {});

  //===--------------------------------------------------------------------===//
  // Config
  //===--------------------------------------------------------------------===//

  /// Metadata; `fallback` if absent (no fallback: absence is Malformed). An
  /// array where a number is expected is Unsupported: it varies by layer.
  int64_t integer(const llvm::Twine &key, int64_t min, int64_t max,
                  std::optional<int64_t> fallback = std::nullopt);
  double number(const llvm::Twine &key, double min, double max,
                std::optional<double> fallback = std::nullopt);
  std::string string(const llvm::Twine &key, std::string fallback);
  bool boolean(const llvm::Twine &key, bool fallback);
  std::vector<std::string> strings(const llvm::Twine &key);
  /// At least one number, each within the range; none if absent. An absence or
  /// a problem gives an empty list.
  std::vector<double> numbers(const llvm::Twine &key, double min, double max);
  bool hasKey(llvm::StringRef key) const { return source.findMeta(key); }
  /// All keys.
  std::vector<std::string> keys() const;
  /// Whether any key starts with `prefix`.
  bool hasPrefix(llvm::StringRef prefix) const;
  /// Whether there is a value that is not JSON's null.
  bool hasValue(llvm::StringRef key) const;
  bool isEmptyList(llvm::StringRef key) const;

  /// Notes each key that starts with `prefix` and is not in `known` (without
  /// the prefix): what it changes is not known, so it cannot be ignored.
  void refuseUnknownKeys(llvm::StringRef prefix,
                         llvm::ArrayRef<llvm::StringRef> known);

  /// Notes what the file asks for and Heddle does not have.
  void unsupported(const llvm::Twine &what);
  /// Notes what is ignored; said by `warn`.
  void ignored(const llvm::Twine &what);
  /// Notes a value that contradicts the file.
  void malformed(const llvm::Twine &field, const llvm::Twine &value,
                 const llvm::Twine &limit);

  /// Whether a value so far is a placeholder because the file's is Malformed.
  bool isMalformed() const { return !malformedNotes.empty(); }

  /// One Failure with everything noted so far: Malformed if anything is, else
  /// Unsupported; success if nothing is.
  llvm::Error check() const;
  /// Says what is ignored, in one line on standard error.
  void warn() const;

  //===--------------------------------------------------------------------===//
  // Tensors
  //===--------------------------------------------------------------------===//

  const TensorEntry *find(llvm::StringRef name) const {
    return source.find(names.stored(name));
  }
  bool has(llvm::StringRef name) const { return find(name); }

  /// The type of tensor `name`, which must have `shape`: [E, N, K] of experts,
  /// whose tensors may be stored one by one. Null after a problem.
  mlir::Type declare(llvm::StringRef name, llvm::ArrayRef<int64_t> shape);
  /// `variants`: one a layer, or none.
  LayerStack declareLayers(int64_t count, llvm::ArrayRef<LayerTensor> tensors,
                           llvm::ArrayRef<int64_t> variants = {});
  /// The same of layers that need not have the same tensors.
  LayerStack declareLayers(
      int64_t count,
      llvm::function_ref<llvm::SmallVector<LayerTensor>(int64_t layer)> tensors,
      llvm::ArrayRef<int64_t> variants = {});
  /// Notes a problem of tensors rather than of the config.
  void malformedTensor(const llvm::Twine &name, const llvm::Twine &value,
                       const llvm::Twine &limit);
  /// Notes the tensors of the file that were not declared: as unsupported, or
  /// as ignored; the first of those that `contradicts` as malformed.
  void refuseUndeclared();
  void
  ignoreUndeclared(llvm::function_ref<bool(llvm::StringRef name)> contradicts);

  //===--------------------------------------------------------------------===//
  // Graph
  //===--------------------------------------------------------------------===//

  mlir::OpBuilder b;
  mlir::ModuleOp module;

  mlir::Location loc(llvm::StringRef name) const;
  mlir::RankedTensorType activation(int64_t width) const;
  mlir::RankedTensorType ids() const;

  void setAttr(llvm::StringRef name, mlir::Attribute value) {
    module->setAttr(("heddle." + name).str(), value);
  }
  void setAttr(llvm::StringRef name, int64_t value) {
    setAttr(name, b.getI64IntegerAttr(value));
  }

  /// A parameter that was declared.
  mlir::Value param(llvm::StringRef name);

  /// Starts a function at the end of the module and enters its body.
  mlir::func::FuncOp function(llvm::StringRef name, mlir::TypeRange inputs,
                              mlir::TypeRange results, bool isPrivate);

  /// A layer kind's body under construction.
  struct Layer {
    mlir::ValueRange carried;
    mlir::Value slot;
    mlir::ValueRange shared;
    const LayerStack::Kind *kind;
    mlir::ValueRange params;
    /// The parameter with that suffix; null if this kind has none.
    mlir::Value operator[](llvm::StringRef suffix) const;
  };
  using LayerBody =
      llvm::function_ref<llvm::SmallVector<mlir::Value>(const Layer &)>;

  /// Builds one private function a kind, `name`, `name`_1, …, and calls them
  /// in order; returns what is carried out of the last layer.
  mlir::ValueRange layers(llvm::StringRef name, const LayerStack &stack,
                          mlir::ValueRange carried, mlir::ValueRange shared,
                          LayerBody body);

private:
  mlir::Type typeOf(llvm::ArrayRef<int64_t> shape,
                    llvm::StringRef encoding) const;
  /// The stored tensor, which must be there and of `shape`; null, and noted, if
  /// it is not.
  const TensorEntry *expect(llvm::StringRef stored,
                            llvm::ArrayRef<int64_t> shape);

  /// A line's part: the file it is about, and what is to be said.
  struct Note {
    std::string file, text;
  };
  template <typename T> T noted(llvm::Expected<T> value, T fallback);

  const ModelSource &source;
  const TensorNames names;
  std::vector<Note> malformedNotes, unsupportedNotes;
  std::vector<std::string> ignoredNotes;
  llvm::StringSet<> declared;
};

} // namespace heddle::import

#endif // HEDDLE_IMPORT_GRAPHBUILDER_H
