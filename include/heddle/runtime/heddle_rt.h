//===- heddle_rt.h - ABI between generated code and the runtime -*- C -*-===//
//
// The only contract between the code that Heddle generates and the thin
// runtime that runs it. Generated code reads `heddle_context` at the fixed
// offsets below (the `heddle_rt` dialect lowers to them); the runtime fills it.
// Plain C11, no dependency. A change of layout raises HEDDLE_ABI_VERSION.
//
// Shapes: T = tokens of this step, R = rows whose logits are wanted,
// V = vocabulary, C = context capacity of the caches. Tokens may be of several
// sequences; those of one follow each other.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_RUNTIME_HEDDLE_RT_H
#define HEDDLE_RUNTIME_HEDDLE_RT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HEDDLE_ABI_VERSION 5

typedef struct heddle_context heddle_context;

// Where the weights of a layer's experts are: `params` points to one of these
// for a parameter whose layout has a table, words of 64 bits on every machine.
typedef struct heddle_experts heddle_experts;
struct heddle_experts {
  // Null, or called by every thread before it reads: returns when the experts
  // of `chosen` are there, ids (count,), or, `grouped`, offsets (count + 1,)
  // of as many experts, of which those are meant whose group is not empty.
  void (*fetch)(heddle_experts *experts, const int32_t *chosen, int64_t count,
                int64_t grouped);
  void *owner;           // the runtime's
  const void *address[]; // of each expert's packed weight, 64-byte aligned
};

struct heddle_context {
  uint64_t abi_version;      // HEDDLE_ABI_VERSION
  const void *const *params; // (n_params,) packed parameters, or a
                             // heddle_experts, by manifest index
  void *arena;               // (arena_bytes,) uint8, 64-byte aligned scratch
  void *const *caches;       // (n_caches,) one zero-filled buffer per cache
  const int32_t *tokens;     // (T,) int32 token ids, each in [0, V)
  const int32_t *positions;  // (T,) int32, each in [0, C), of one sequence
                             // ascending by one
  const int32_t *starts;     // (T,) int32, where in the caches the token's
                             // sequence begins, a multiple of what the manifest
                             // says of each; start + position is in [0, C)
  const int32_t *rows;       // (R,) int32 rows of this step, each in [0, T)
  float *logits;             // (R, V) float32, written by the step
  int64_t n_tokens;          // T
  int64_t n_rows;            // R
  int64_t capacity;          // C, positions that each cache holds
  // Returns once all `nthreads` threads of the step have called it.
  void (*barrier)(heddle_context *ctx, int64_t tid, int64_t nthreads);
  // Null, or called by every thread when it begins a kernel, whose index in the
  // manifest's kernels it is given.
  void (*mark)(heddle_context *ctx, int64_t tid, int64_t kernel);
  void *communicator; // reserved for tensor and expert parallelism; null
};

// One specialisation of the graph. Every thread of the team calls it with its
// own `tid` in [0, nthreads) and the same context.
typedef void (*heddle_step_fn)(heddle_context *ctx, int64_t tid,
                               int64_t nthreads);

// Bytes of the arena that a thread of a probe writes.
#define HEDDLE_PROBE_BYTES 4096

// A loop of one dot-product instruction on registers, which measures its peak
// rate.
typedef struct heddle_probe {
  const char *instruction; // as schedules name it, "avx512vnni.vpdpbusd"
  const char *type;        // of what it multiplies: "int8", "bf16", "f32"
  int64_t operations;      // multiplications and additions of one turn
  // `n_tokens` turns on every thread. Of the context it reads that, and writes
  // (nthreads, HEDDLE_PROBE_BYTES) of the arena.
  heddle_step_fn run;
} heddle_probe;

// One feature level of a program (for example "x86-64-v3").
typedef struct heddle_level {
  const char *name;           // level name, as --isa spells it
  const char *features;       // comma list of CPU features it needs, "avx2,fma"
  heddle_step_fn decode;      // T = 1, R = 1
  heddle_step_fn batch;       // 1 <= T <= batch_tokens of the manifest
  heddle_step_fn prefill;     // 1 <= T <= prefill_tokens of the manifest
  const heddle_probe *probes; // ends with a row whose instruction is null
} heddle_level;

// Defined by the generated object; ends with a row whose name is null. Best
// level first.
extern const heddle_level heddle_levels[];

#ifdef __cplusplus
}
#endif

#endif // HEDDLE_RUNTIME_HEDDLE_RT_H
