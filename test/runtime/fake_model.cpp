//===- fake_model.cpp - Stands in for generated code in tests -------------===//
//
// logits[r][v] is a hash of v and of all tokens up to row r, so a wrong
// position, a stale cache, a lost row or a broken barrier changes it.
// HEDDLE_FAKE_SLEEP_US slows each step down.
//
//===----------------------------------------------------------------------===//

#include "heddle/runtime/heddle_rt.h"
#include <cstdlib>
#include <unistd.h>

#if !defined(FAKE_VOCAB) || !defined(FAKE_SHIFT)
#error "define FAKE_VOCAB and FAKE_SHIFT"
#endif

namespace {

uint64_t mix(uint64_t z) {
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

// Of token `t` in the cache.
int64_t placeOf(const heddle_context *ctx, int64_t t) {
  return int64_t(ctx->starts[t]) + ctx->positions[t];
}

void step(heddle_context *ctx, int64_t tid, int64_t nthreads) {
  auto *history = static_cast<uint64_t *>(ctx->caches[0]);
  auto *scratch = static_cast<uint64_t *>(ctx->arena);
  uint64_t weight = *static_cast<const uint64_t *>(ctx->params[0]);
  if (ctx->abi_version != HEDDLE_ABI_VERSION || ctx->n_rows > ctx->n_tokens ||
      placeOf(ctx, ctx->n_tokens - 1) >= ctx->capacity)
    abort();
  if (tid == 0) {
    if (const char *sleep = getenv("HEDDLE_FAKE_SLEEP_US"))
      usleep(static_cast<useconds_t>(atoi(sleep)));
    for (int64_t t = 0; t < ctx->n_tokens; ++t) {
      int64_t place = placeOf(ctx, t);
      uint64_t before = ctx->positions[t] ? history[place - 1] : weight;
      history[place] = mix(before + static_cast<uint64_t>(ctx->tokens[t]) + 1);
    }
  }
  ctx->barrier(ctx, tid, nthreads);
  // Each thread leaves a word that another one reads: many barriers.
  for (uint64_t round = 0; round < 8; ++round) {
    scratch[tid] = round;
    ctx->barrier(ctx, tid, nthreads);
    if (scratch[(tid + 1) % nthreads] != round)
      abort();
    ctx->barrier(ctx, tid, nthreads);
  }
  int64_t begin = FAKE_VOCAB * tid / nthreads;
  int64_t end = FAKE_VOCAB * (tid + 1) / nthreads;
  for (int64_t r = 0; r < ctx->n_rows; ++r) {
    uint64_t state = history[placeOf(ctx, ctx->rows[r])];
    for (int64_t v = begin; v < end; ++v)
      ctx->logits[r * FAKE_VOCAB + v] = static_cast<float>(
          mix(state + static_cast<uint64_t>(v) * 0x9e3779b97f4a7c15) >>
          FAKE_SHIFT);
  }
}

// A probe of one operation a turn.
void turns(heddle_context *ctx, int64_t tid, int64_t) {
  auto *out = static_cast<volatile int64_t *>(ctx->arena) +
              tid * HEDDLE_PROBE_BYTES / 8;
  for (int64_t i = 0; i < ctx->n_tokens; ++i)
    *out = i;
}

const heddle_probe probes[] = {{"fake.add", "int64", 1, turns}, {}};

} // namespace

extern "C" const heddle_level heddle_levels[] = {
    {"future", "no-such-feature", step, step, step, probes},
#ifndef FAKE_IMPOSSIBLE
    {"fake", "", step, step, step, probes},
#endif
    {},
};
