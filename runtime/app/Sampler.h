//===- Sampler.h - Choosing tokens from logits -----------------*- C++ -*-===//
//
// The only floating-point work on a model's output outside generated code.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_RUNTIME_APP_SAMPLER_H
#define HEDDLE_RUNTIME_APP_SAMPLER_H

#include <cstdint>
#include <vector>

namespace heddle::rt {

struct SamplerOptions {
  double temperature = 0; // 0: the first of equal maxima
  int64_t topK = 0;       // 0: all
  double topP = 1;        // in [0, 1]; 1: all, 0: the likeliest
  double minP = 0;        // in [0, 1]; 0: all
  uint64_t seed = 0;
};

/// Draws tokens; the same options and logits give the same tokens.
class Sampler {
public:
  explicit Sampler(const SamplerOptions &options);
  /// One token from (vocab,) float32 logits; throws Failure(Bug) where they
  /// are not numbers.
  int32_t next(const float *logits, int64_t vocab);

private:
  struct Candidate {
    double weight;
    int32_t id;
  };
  uint64_t random();
  SamplerOptions options;
  uint64_t state;
  std::vector<Candidate> candidates;
};

/// Mean of -log softmax(logits)[token], in double, in the order of add().
class MeanNll {
public:
  /// (vocab,) float32 logits and the token that came next.
  void add(const float *logits, int64_t vocab, int32_t token);
  double value() const;

private:
  double sum = 0;
  int64_t count = 0;
};

/// The middle of the values (the lower one of an even count), which are
/// sorted; at least one.
double median(std::vector<double> values);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_SAMPLER_H
