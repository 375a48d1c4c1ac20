//===- Builtin.h - Registration symbols of the components -------*- C++ -*-===//
//
// One symbol a component, defined in its Register.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_PLUGIN_BUILTIN_H
#define HEDDLE_PLUGIN_BUILTIN_H

namespace heddle {
class Registry;
namespace dialects {
void registerParts(Registry &registry);
}
namespace import {
void registerParts(Registry &registry);
}
namespace passes {
void registerParts(Registry &registry);
}
namespace codegen::x86 {
void registerParts(Registry &registry);
}
namespace codegen::arm {
void registerParts(Registry &registry);
}
} // namespace heddle

#endif // HEDDLE_PLUGIN_BUILTIN_H
