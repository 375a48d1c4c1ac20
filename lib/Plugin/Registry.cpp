//===- Registry.cpp - Where every part of the compiler registers ----------===//
#include "heddle/Plugin/Registry.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassRegistry.h"
#include <dlfcn.h>
#include <fmt/format.h>

using namespace heddle;

namespace {
/// Passes by argument: MLIR's own registry aborts where two differ.
struct PassName {
  std::string name;
};
struct Dialects {
  void (*insert)(mlir::DialectRegistry &);
  std::string owner;
};
struct Tables {
  PartTable<LoadedPlugin> plugins{"plugin"};
  PartTable<Router> routers{"router"};
  PartTable<PassName> passes{"pass"};
  std::vector<Dialects> dialects;
};
Tables &tables() {
  static Tables tables;
  return tables;
}
} // namespace

const PartTable<LoadedPlugin> &heddle::plugins() { return tables().plugins; }
const PartTable<Router> &heddle::routers() { return tables().routers; }

RouterOpInterface heddle::buildRouter(llvm::StringRef name,
                                      mlir::OpBuilder &builder,
                                      mlir::Location loc,
                                      const RouteRequest &request) {
  const Router *router = routers().find(name);
  if (!router) {
    std::string names = routers().names();
    mlir::emitError(loc) << "unsupported: router = " << name << ", "
                         << (names.empty() ? "there is none"
                                           : "one of " + names);
    return {};
  }
  RouterOpInterface op = router->build(builder, loc, request);
  if (!op)
    return op;
  auto type = mlir::dyn_cast<mlir::RankedTensorType>(op.getIds().getType());
  if (type && type.getRank() == 2 && type.getDimSize(1) == request.k &&
      op.getLogits() == request.logits)
    return op;
  op->emitError("router ") << name << " makes " << op.getIds().getType()
                           << " of " << op.getLogits().getType()
                           << ", k = " << request.k << " was asked for";
  op->erase();
  return {};
}

void heddle::registerDialects(mlir::DialectRegistry &registry) {
  for (const Dialects &dialects : tables().dialects)
    dialects.insert(registry);
}

void Registry::note(llvm::Error error) {
  // The first is enough.
  if (failed)
    llvm::consumeError(std::move(error));
  else
    failed = std::move(error);
}

void Registry::addImporter(import::Importer importer) {
  note(import::importers().add(importer, owner));
}
void Registry::addFamily(import::Family family) {
  note(import::families().add(family, owner));
}
void Registry::addEncoding(import::EncodingInfo encoding) {
  note(import::encodings().add(encoding, owner));
}
void Registry::addLevel(codegen::Level level) {
  note(codegen::levels().add(level, owner));
}
void Registry::addIntegerDot(codegen::IntegerDot dot) {
  note(codegen::integerDots().add(dot, owner));
}
void Registry::addFloatDot(codegen::FloatDot dot) {
  note(codegen::floatDots().add(dot, owner));
}
void Registry::addRouter(Router router) {
  note(tables().routers.add(router, owner));
}

void Registry::addPass(std::function<std::unique_ptr<mlir::Pass>()> create) {
  std::string name = create()->getArgument().str();
  if (!tables().passes.find(name) && mlir::PassInfo::lookup(name))
    return note(
        failure(ExitCode::Malformed,
                fmt::format("{}: pass = {}, a name that MLIR has registered",
                            owner, name)));
  llvm::Error taken = tables().passes.add({name}, owner);
  bool isNew = !taken;
  note(std::move(taken));
  if (isNew)
    mlir::registerPass(create);
}

void Registry::addToPhase(llvm::StringRef phase, PhaseBuilder build,
                          PhaseEnd where) {
  if (findPhase(phase) < 0)
    return note(failure(ExitCode::Malformed,
                        fmt::format("{}: phase = {}, one of {}", owner,
                                    phase.str(), phaseNames())));
  joinPhase(findPhase(phase), std::move(build), where, owner);
}

// What the dialect of a name is.
static mlir::TypeID idOf(const mlir::DialectRegistry &registry,
                         llvm::StringRef name) {
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  return context.getOrLoadDialect(name)->getTypeID();
}

// MLIR's own registry aborts where two dialects have one name.
void Registry::addDialects(void (*insert)(mlir::DialectRegistry &)) {
  for (const Dialects &earlier : tables().dialects) {
    mlir::DialectRegistry own, others;
    insert(own);
    earlier.insert(others);
    for (llvm::StringRef name : own.getDialectNames())
      if (others.getDialectAllocator(name) &&
          idOf(own, name) != idOf(others, name))
        return note(failure(
            ExitCode::Malformed,
            fmt::format("{}: dialect = {}, a name that {} has registered",
                        owner, name.str(), earlier.owner)));
  }
  tables().dialects.push_back({insert, owner});
}

void Registry::addSemantics(llvm::StringRef op,
                            reference::Semantics semantics) {
  if (reference::hasSemantics(op))
    return note(
        failure(ExitCode::Malformed,
                fmt::format("{}: semantics = {}, an op that has a meaning",
                            owner, op.str())));
  reference::registerSemantics(op, std::move(semantics));
}

llvm::Error heddle::addPlugin(const PluginInfo &info, llvm::StringRef where) {
  if (info.apiVersion != HEDDLE_PLUGIN_API_VERSION)
    return failure(
        ExitCode::Unsupported,
        fmt::format("{}: plugin API version = {}, this Heddle has {}",
                    where.str(), info.apiVersion, HEDDLE_PLUGIN_API_VERSION));
  if (auto error =
          tables().plugins.add({info.name, info.version, where.str()}, where))
    return error;
  Registry registry(where.str());
  info.registerParts(registry);
  return std::move(registry.failed);
}

llvm::Error heddle::loadPlugin(llvm::StringRef path) {
  // A name without a slash would be searched for in the system's directories.
  std::string file = path.contains('/') ? path.str() : "./" + path.str();
  void *library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return failure(ExitCode::InputOutput,
                   fmt::format("{}: {}", path.str(), ::dlerror()));
  auto *entry = reinterpret_cast<const PluginInfo *(*)()>(
      ::dlsym(library, "heddleGetPluginInfo"));
  if (!entry)
    return failure(ExitCode::InputOutput,
                   fmt::format("{}: {}", path.str(), ::dlerror()));
  return addPlugin(*entry(), path);
}
