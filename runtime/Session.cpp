//===- Session.cpp - The state of what is generated -----------------------===//

#include "heddle/runtime/Session.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>

namespace heddle::rt {

Session::Session(Program &program, const heddle_level &level,
                 const MemoryPlan &plan, ThreadTeam &team)
    : manifest(program.manifest()), level(level), plan(plan),
      state(plan.stateBytes()) {
  const uint8_t *weights = program.weights();
  if (!manifest.expertGroups.empty())
    expertStore = std::make_unique<Experts>(program, plan, team);
  for (size_t i = 0; i < manifest.params.size(); ++i)
    params.push_back(manifest.params[i].group < 0
                         ? weights + manifest.params[i].offset
                         : expertStore->table(i));
  auto *at = static_cast<uint8_t *>(state.data());
  for (const CacheEntry &cache : manifest.caches) {
    caches.push_back(at);
    at += wholePages(cache.bytesPerPosition * plan.capacity);
  }
  int64_t most = maxChunk();
  tokenBuffer.resize(most);
  positions.resize(most);
  starts.resize(most);
  next.resize(plan.sequences);
  rowIndex.resize(most);

  heddle_context &abi = context_.abi;
  abi.abi_version = HEDDLE_ABI_VERSION;
  abi.params = params.data();
  abi.arena = at;
  abi.caches = caches.data();
  abi.tokens = tokenBuffer.data();
  abi.positions = positions.data();
  abi.starts = starts.data();
  abi.rows = rowIndex.data();
  abi.logits = reinterpret_cast<float *>(at + plan.arena);
  abi.capacity = plan.capacity;
  abi.barrier = barrier;
  abi.communicator = nullptr;
  context_.team = &team;
}

void Session::barrier(heddle_context *ctx, int64_t, int64_t) {
  reinterpret_cast<StepContext *>(ctx)->team->barrier();
}

void Session::stepJob(void *arg, int64_t tid, int64_t nthreads) {
  auto *context = static_cast<StepContext *>(arg);
  context->fn(&context->abi, tid, nthreads);
}

void Session::mark(heddle_context *ctx, int64_t tid, int64_t kernel) {
  auto *context = reinterpret_cast<StepContext *>(ctx);
  (*context->marks)[tid].begun.emplace_back(kernel, Clock::now());
}

void Session::time(KernelTimes *into) {
  times = into;
  context_.abi.mark = into ? mark : nullptr;
  marks.assign(context_.team->size(), Marks());
  context_.marks = &marks;
}

void Session::addTimes(Clock::time_point end) {
  std::vector<std::pair<int64_t, Clock::time_point>> first = marks[0].begun;
  for (const Marks &thread : marks)
    for (size_t i = 0; i < std::min(first.size(), thread.begun.size()); ++i)
      first[i].second = std::min(first[i].second, thread.begun[i].second);
  for (size_t i = 0; i < first.size(); ++i) {
    auto [kernel, begin] = first[i];
    auto next = i + 1 < first.size() ? first[i + 1].second : end;
    if (kernel >= 0 && kernel < static_cast<int64_t>(times->size()))
      (*times)[kernel] += std::chrono::duration<double>(next - begin).count();
  }
  for (Marks &thread : marks)
    thread.begun.clear();
}

int64_t Session::maxChunk() const {
  return std::max(manifest.prefillTokens, manifest.batchTokens);
}

void Session::rewind(int64_t position, int64_t sequence) {
  next[sequence] = std::min(next[sequence], position);
}

void Session::check(const Piece &piece) const {
  std::span<const int32_t> tokens = piece.tokens;
  int64_t end = next[piece.sequence] + static_cast<int64_t>(tokens.size());
  int64_t most = std::min(plan.context, plan.stride());
  if (end > most)
    fail(ExitCode::Limit, "positions = " + std::to_string(end) + ", limit " +
                              std::to_string(most) +
                              " (the context of this run)");
  for (size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || tokens[i] >= manifest.vocab)
      fail(ExitCode::Malformed,
           "token[" + std::to_string(i) + "] = " + std::to_string(tokens[i]) +
               ", limit " + std::to_string(manifest.vocab - 1));
}

void Session::step(std::span<const Piece> pieces, int64_t rows) {
  int64_t count = 0;
  for (const Piece &piece : pieces)
    for (int32_t token : piece.tokens) {
      tokenBuffer[count] = token;
      positions[count] = static_cast<int32_t>(next[piece.sequence]++);
      starts[count++] = static_cast<int32_t>(piece.sequence * plan.stride());
    }
  for (int64_t i = 0; i < rows; ++i)
    rowIndex[i] = static_cast<int32_t>(count - rows + i);
  context_.abi.n_tokens = count;
  context_.abi.n_rows = rows;
  context_.fn = count == 1                      ? level.decode
                : count <= manifest.batchTokens ? level.batch
                                                : level.prefill;
  context_.team->run(stepJob, &context_);
  if (expertStore)
    expertStore->check();
  if (times)
    addTimes(Clock::now());
}

const float *Session::feed(std::span<const int32_t> tokens, int64_t sequence) {
  check({sequence, tokens});
  while (!tokens.empty()) {
    size_t count = std::min<size_t>(tokens.size(), maxChunk());
    bool last = count == tokens.size();
    Piece piece{sequence, tokens.first(count)};
    // The decode code always writes its one row.
    step({&piece, 1}, last || count == 1 ? 1 : 0);
    tokens = tokens.subspan(count);
  }
  return context_.abi.logits;
}

const float *Session::feedTogether(std::span<const Piece> pieces) {
  int64_t count = 0;
  for (const Piece &piece : pieces) {
    check(piece);
    count += static_cast<int64_t>(piece.tokens.size());
  }
  step(pieces, count);
  return context_.abi.logits;
}

} // namespace heddle::rt
