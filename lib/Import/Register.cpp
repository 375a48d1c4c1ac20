//===- Register.cpp - Importers, encodings and families -------------------===//
#include "Families/Families.h"
#include "heddle/Plugin/Builtin.h"
#include "heddle/Plugin/Registry.h"

void heddle::import::registerParts(Registry &registry) {
  registry.addImporter({"gguf", "GGUF v3, single and split", claimsGGUF, openGGUF});
  for (const EncodingInfo &encoding : builtinEncodings())
    registry.addEncoding(encoding);
  registry.addFamily({"llama", "Llama 2 and 3, SmolLM, Yi and other dense models of the shape", buildLlama});
  registry.addFamily({"qwen2", "Qwen 1.5, 2 and 2.5, dense", buildQwen2});
  registry.addFamily({"qwen3", "Qwen 3, dense", buildQwen3});
}
