//===- RopeScaling.cpp - The frequencies of rotary positions --------------===//
#include "RopeScaling.h"
#include "heddle/Import/Encoding.h"
#include "heddle/Import/SpanReader.h"
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numbers>

namespace heddle::import {

//===----------------------------------------------------------------------===//
// Frequencies
//===----------------------------------------------------------------------===//

static double llama3(const RopeScaling &s, double f) {
  double turns =
      s.original * f / (2 * std::numbers::pi); // over the original length
  if (turns > s.high)
    return f;
  if (turns < s.low)
    return f / s.factor;
  double t = (turns - s.low) / (s.high - s.low);
  return (1 - t) * f / s.factor + t * f;
}

// How far pair `i` is to be interpolated: 0 to 1.
static double yarnRamp(const RopeScaling &s, int64_t i, int64_t dim) {
  auto pairOf = [&](double turns) {
    return dim * std::log(s.original / (turns * 2 * std::numbers::pi)) /
           (2 * std::log(s.theta));
  };
  double first = pairOf(s.fast), last = pairOf(s.slow);
  if (s.truncate)
    first = std::floor(first), last = std::ceil(last);
  first = std::max(first, 0.0), last = std::min(last, dim - 1.0);
  if (first == last)
    last += 0.001;
  return std::clamp((i - first) / (last - first), 0.0, 1.0);
}

RopeTable ropeTable(const RopeScaling &s, int64_t dim) {
  using Kind = RopeScaling::Kind;
  RopeTable table;
  if (s.kind == Kind::None || s.kind == Kind::Linear) {
    table.scale = s.factor;
    return table;
  }
  table.amplitude = s.amplitude;
  double theta = s.theta;
  if (s.kind == Kind::Dynamic && dim > 2)
    theta *= std::pow(s.factor * s.factor - (s.factor - 1), dim / (dim - 2.0));
  for (int64_t i = 0; i < dim / 2; ++i) {
    double f = std::pow(s.theta, -2.0 * i / dim);
    switch (s.kind) {
    case Kind::Llama3:
      f = llama3(s, f);
      break;
    case Kind::Yarn: {
      double ramp = yarnRamp(s, i, dim);
      f = f / s.factor * ramp + f * (1 - ramp);
      break;
    }
    case Kind::Dynamic:
      table.beyond.push_back(std::pow(theta, -2.0 * i / dim));
      break;
    default:
      table.beyond.push_back(f / s.longFactors[i]);
      f /= s.shortFactors[i];
    }
    table.frequencies.push_back(f);
  }
  if (!table.beyond.empty())
    table.original = s.original;
  return table;
}

// YaRN's correction of the attention's entropy.
static double yarnScale(double factor, double mscale) {
  return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1;
}

//===----------------------------------------------------------------------===//
// Hugging Face
//===----------------------------------------------------------------------===//

RopeScaling readHuggingFaceRope(GraphBuilder &g, int64_t context, int64_t dim,
                                double theta) {
  using Kind = RopeScaling::Kind;
  RopeScaling s;
  // Version 5 of transformers writes rope_parameters, and reads rope_scaling
  // before it.
  bool old = g.hasPrefix("rope_scaling.");
  std::string at = old ? "rope_scaling." : "rope_parameters.";
  for (const char *other : {"rope_scaling", "rope_parameters"})
    if (g.hasValue(other))
      g.malformed(other, "no object", "an object or null");
  s.theta =
      g.number(g.hasKey(at + "rope_theta") ? at + "rope_theta" : "rope_theta",
               1, 1e12, theta);
  if (!(s.theta > 1))
    g.malformed("rope_theta", llvm::Twine(int64_t(s.theta)), "above 1");
  std::string typeKey =
      at + (g.hasKey(at + "rope_type") ? "rope_type" : "type");
  std::string type = g.string(typeKey, "default");
  static constexpr std::pair<llvm::StringRef, Kind> kKinds[] = {
      {"default", Kind::None},    {"linear", Kind::Linear},
      {"dynamic", Kind::Dynamic}, {"llama3", Kind::Llama3},
      {"yarn", Kind::Yarn},       {"longrope", Kind::LongRope},
      {"su", Kind::LongRope}};
  const auto *kind = llvm::find_if(
      kKinds, [&](const auto &pair) { return pair.first == type; });
  if (kind == std::end(kKinds)) {
    g.unsupported(typeKey + " = " + quoted(type));
    return s;
  }
  s.kind = kind->second;

  llvm::SmallVector<llvm::StringRef> known = {"rope_theta", "rope_type",
                                              "type"};
  auto number = [&](llvm::StringRef key, double min, double max,
                    std::optional<double> fallback = std::nullopt) {
    known.push_back(key);
    return g.number(at + key, min, max, fallback);
  };
  auto has = [&](llvm::StringRef key) {
    known.push_back(key);
    return g.hasValue(at + key.str());
  };
  auto readOriginal = [&] {
    const char *key = "original_max_position_embeddings";
    known.push_back(key);
    s.original =
        g.integer(g.hasKey(key) ? key : at + key, 1, INT32_MAX, context);
  };
  switch (s.kind) {
  case Kind::None:
    break;
  case Kind::Linear:
    s.factor = number("factor", 1, 1e6);
    break;
  case Kind::Dynamic:
    s.factor = number("factor", 1, 1e6);
    s.original = context;
    known.push_back("original_max_position_embeddings");
    break;
  case Kind::Llama3:
    readOriginal();
    s.factor = number("factor", 1, 1e6);
    s.low = number("low_freq_factor", 1e-6, 1e6);
    s.high = number("high_freq_factor", 1e-6, 1e6);
    if (!g.isMalformed() && s.high <= s.low)
      g.malformed(at + "high_freq_factor", fmt::format("{}", s.high),
                  "above low_freq_factor");
    break;
  case Kind::Yarn: {
    readOriginal();
    s.factor =
        has("factor") ? number("factor", 1, 1e6) : double(context) / s.original;
    s.fast = has("beta_fast") ? number("beta_fast", 1e-6, 1e6) : 32;
    s.slow = has("beta_slow") ? number("beta_slow", 1e-6, 1e6) : 1;
    known.push_back("truncate");
    s.truncate = g.boolean(at + "truncate", true);
    bool one = has("mscale"), all = has("mscale_all_dim");
    s.amplitude =
        one && all
            ? yarnScale(s.factor, number("mscale", 1e-6, 1e6)) /
                  yarnScale(s.factor, number("mscale_all_dim", 1e-6, 1e6))
            : yarnScale(s.factor, 1);
    if (all)
      s.scoreScale = std::pow(
          yarnScale(s.factor, g.number(at + "mscale_all_dim", 1e-6, 1e6)), 2);
    if (has("attention_factor"))
      s.amplitude = number("attention_factor", 1e-6, 1e6);
    break;
  }
  case Kind::LongRope: {
    readOriginal();
    double factor = has("factor") ? number("factor", 1, 1e6)
                                  : std::max(1.0, double(context) / s.original);
    s.amplitude =
        factor <= 1 || s.original < 2
            ? 1
            : std::sqrt(1 + std::log(factor) / std::log(double(s.original)));
    if (has("attention_factor"))
      s.amplitude = number("attention_factor", 1e-6, 1e6);
    for (auto [key, list] : {std::pair{"short_factor", &s.shortFactors},
                             {"long_factor", &s.longFactors}}) {
      known.push_back(key);
      *list = g.numbers(at + key, 1e-6, 1e6);
      if (int64_t(list->size()) != dim / 2) {
        if (!g.isMalformed())
          g.malformed(at + key, llvm::Twine(list->size()) + " numbers",
                      llvm::Twine(dim / 2) + ", half the head size");
        list->assign(dim / 2, 1);
      }
    }
    break;
  }
  }
  double part = number("partial_rotary_factor", 0, 1, 1.0);
  if (!g.isMalformed() && part != 1)
    g.unsupported(at + "partial_rotary_factor = " + std::to_string(part) +
                  ", other than 1");
  for (const std::string &key : g.keys()) {
    llvm::StringRef rest = key;
    if (rest.consume_front(at) && rest.contains('.') &&
        llvm::is_contained(known, rest.split('.').first))
      g.malformed(at + rest.split('.').first, "an object", "a value");
  }
  g.refuseUnknownKeys(at, known);
  return s;
}

//===----------------------------------------------------------------------===//
// GGUF
//===----------------------------------------------------------------------===//

// The f32 values of a tensor of `count` elements that the family has not
// declared yet.
static std::vector<double> valuesOf(GraphBuilder &g, llvm::StringRef name,
                                    int64_t count) {
  std::vector<double> values(count, 1);
  if (!g.declare(name, {count}))
    return values;
  const TensorEntry &entry = *g.find(name);
  std::vector<float> read(count);
  dequantize(*findEncoding(entry.encoding), entry.bytes.data(), count,
             read.data());
  values.assign(read.begin(), read.end());
  for (double value : values)
    if (!(value >= 1e-6 && value <= 1e6)) {
      g.malformedTensor("tensor " + quoted(name), fmt::format("{}", value),
                        "values in [1e-06, 1e+06]");
      break;
    }
  return values;
}

RopeScaling readGGUFRope(GraphBuilder &g, llvm::StringRef prefix,
                         int64_t context, int64_t dim) {
  using Kind = RopeScaling::Kind;
  auto key = [&](llvm::StringRef name) {
    return (prefix + "rope." + name).str();
  };
  RopeScaling s;
  s.theta = g.number(key("freq_base"), 1, 1e12, 10000.0);
  // A factor without a type is linear, as in llama.cpp; a factor of 0 is none.
  std::string type = g.string(key("scaling.type"), "linear");
  double factor = g.number(key("scaling.factor"), 0, 1e6, 1.0);
  double attention = g.number(key("scaling.attn_factor"), 1e-6, 1e6, 1.0);
  s.original =
      g.integer(key("scaling.original_context_length"), 1, INT32_MAX, context);
  if (type == "linear" || type == "none") {
    s.kind = type == "linear" && factor > 0 ? Kind::Linear : Kind::None;
    s.factor = s.kind == Kind::Linear ? factor : 1;
    // Nothing but the kinds below turns by it.
    if (attention != 1)
      g.unsupported(key("scaling.attn_factor") + " of " + type);
  } else if (type == "yarn") {
    s.kind = Kind::Yarn;
    s.factor = factor > 0 ? factor : 1;
    s.fast = g.number(key("scaling.yarn_beta_fast"), 1e-6, 1e6, 32.0);
    s.slow = g.number(key("scaling.yarn_beta_slow"), 1e-6, 1e6, 1.0);
    s.amplitude = attention * yarnScale(s.factor, 1);
    // As llama.cpp: the logarithm's factor is 0.1 mscale_all_dim, and mscale is
    // mscale_all_dim, so that cosines and sines are as they are.
    if (double log =
            g.number(key("scaling.yarn_log_multiplier"), 0, 1e6, 0.0)) {
      s.amplitude = attention;
      s.scoreScale = std::pow(yarnScale(s.factor, 10 * log), 2);
    }
  } else if (type == "longrope") {
    s.kind = Kind::LongRope;
    s.amplitude = attention;
    s.shortFactors = valuesOf(g, "rope_factors_short.weight", dim / 2);
    s.longFactors = valuesOf(g, "rope_factors_long.weight", dim / 2);
  } else {
    g.unsupported(key("scaling.type = ") + quoted(type));
  }
  return s;
}

} // namespace heddle::import
