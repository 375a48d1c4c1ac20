//===- GGUFTypes.cpp - GGML's tensor types and their blocks ---------------===//
#include "GGUFTypes.h"
#include <iterator>

namespace heddle::import {

// Indexed by GGML type id; a null name marks an id that GGML removed. q8_1 is
// the 36-byte block of ggml-common.h; the Python package's table says 40.
static constexpr BlockFormat kTypes[] = {
    {"f32", 1, 4},        {"f16", 1, 2},        {"q4_0", 32, 18},
    {"q4_1", 32, 20},     {nullptr, 0, 0},      {nullptr, 0, 0},
    {"q5_0", 32, 22},     {"q5_1", 32, 24},     {"q8_0", 32, 34},
    {"q8_1", 32, 36},     {"q2_k", 256, 84},    {"q3_k", 256, 110},
    {"q4_k", 256, 144},   {"q5_k", 256, 176},   {"q6_k", 256, 210},
    {"q8_k", 256, 292},   {"iq2_xxs", 256, 66}, {"iq2_xs", 256, 74},
    {"iq3_xxs", 256, 98}, {"iq1_s", 256, 50},   {"iq4_nl", 32, 18},
    {"iq3_s", 256, 110},  {"iq2_s", 256, 82},   {"iq4_xs", 256, 136},
    {"i8", 1, 1},         {"i16", 1, 2},        {"i32", 1, 4},
    {"i64", 1, 8},        {"f64", 1, 8},        {"iq1_m", 256, 56},
    {"bf16", 1, 2},       {nullptr, 0, 0},      {nullptr, 0, 0},
    {nullptr, 0, 0},      {"tq1_0", 256, 54},   {"tq2_0", 256, 66},
    {nullptr, 0, 0},      {nullptr, 0, 0},      {nullptr, 0, 0},
    {"mxfp4", 32, 17},    {"nvfp4", 64, 36},    {"q1_0", 128, 18},
};

const BlockFormat *ggmlType(uint32_t id) {
  if (id >= std::size(kTypes) || !kTypes[id].name)
    return nullptr;
  return &kTypes[id];
}

const char *ggmlTypeAbsence(uint32_t id) {
  return id < std::size(kTypes) ? "removed from GGML" : "unknown";
}

} // namespace heddle::import
