//===- Experts.cpp - Where experts are, in memory or in the file ----------===//
//
// The threads of a kernel call fetch() together. One of them decides who stays
// and, with a ring, reads; without one all of them read. No exception crosses
// generated code: an error is kept for whoever ran the step.
//
//===----------------------------------------------------------------------===//

#include "heddle/runtime/Experts.h"
#include "heddle/runtime/Failure.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace heddle::rt {

namespace {
constexpr int kChanged = -2;
// Words of heddle_experts before the addresses.
constexpr size_t kHeader = offsetof(heddle_experts, address) / 8;
using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}
} // namespace

Experts::Experts(Program &program, const MemoryPlan &plan, ThreadTeam &team)
    : program(program), manifest(program.manifest()), team(team),
      tables(manifest.params.size()), slots(plan.expertSlots),
      slotBytes(manifest.expertBytes()) {
  for (const ExpertGroup &group : manifest.expertGroups) {
    std::vector<int32_t> places(group.order.size());
    for (size_t place = 0; place < places.size(); ++place)
      places[group.order[place]] = static_cast<int32_t>(place);
    placeOf.push_back(std::move(places));
  }
  if (streams()) {
    memory = Buffer(slots * slotBytes);
    reader = std::make_unique<DirectReader>(program.weightsFile());
    slotTable.resize(slots);
    for (int32_t slot = 0; slot < static_cast<int32_t>(slots); ++slot) {
      slotTable[slot].newer = slot - 1;
      slotTable[slot].older =
          slot + 1 < static_cast<int32_t>(slots) ? slot + 1 : -1;
    }
    newest = 0;
    oldest = static_cast<int32_t>(slots) - 1;
  }
  for (size_t g = 0; g < manifest.expertGroups.size(); ++g) {
    const ExpertGroup &group = manifest.expertGroups[g];
    slotOf.emplace_back(group.order.size(), -1);
    for (int64_t index : group.params) {
      owners.push_back(std::make_unique<Owner>(
          Owner{this, g, index == group.params.front()}));
      std::vector<uint64_t> &table = tables[index];
      table.resize(kHeader + group.order.size());
      table[0] = streams() ? reinterpret_cast<uint64_t>(&fetch) : 0;
      table[1] = reinterpret_cast<uint64_t>(owners.back().get());
      // An expert that is not there has an address all the same.
      for (size_t e = 0; e < group.order.size(); ++e)
        table[kHeader + e] = reinterpret_cast<uint64_t>(
                                 streams() ? slotData(0)
                                           : program.weights() + group.offset +
                                                 placeOf[g][e] * group.stride) +
                             manifest.params[index].offset;
    }
  }
  if (!streams())
    return;
  std::vector<uint64_t> index = program.readExpertIndex();
  auto next = index.begin() + 1;
  for (const ExpertGroup &group : manifest.expertGroups) {
    hashes.emplace_back(next,
                        next + static_cast<ptrdiff_t>(group.order.size()));
    next += static_cast<ptrdiff_t>(group.order.size());
  }
  fillFromProfile();
}

uint8_t *Experts::slotData(int32_t slot) const {
  return static_cast<uint8_t *>(memory.data()) + slot * slotBytes;
}

// Makes `slot` the one used last.
void Experts::touch(int32_t slot) {
  if (slot == newest)
    return;
  Slot &s = slotTable[slot];
  slotTable[s.newer].older = s.older;
  (s.older >= 0 ? slotTable[s.older].newer : oldest) = s.newer;
  s.newer = -1;
  s.older = newest;
  slotTable[newest].newer = slot;
  newest = slot;
}

// Has a slot for the expert; if it is not there, a request too.
void Experts::want(size_t group, int32_t expert, bool counted) {
  int32_t slot = slotOf[group][expert];
  if (counted)
    ++(slot >= 0 ? total.hits : total.misses);
  if (slot >= 0)
    return touch(slot);
  // Slots are no fewer than the experts of a layer, so what was wanted just
  // before is not the oldest.
  slot = oldest;
  Slot &s = slotTable[slot];
  if (s.group >= 0)
    slotOf[s.group][s.expert] = -1;
  s.group = static_cast<int32_t>(group);
  s.expert = expert;
  slotOf[group][expert] = slot;
  touch(slot);
  const ExpertGroup &g = manifest.expertGroups[group];
  requests.push_back(
      {{program.weightsBegin() + g.offset + placeOf[group][expert] * g.stride,
        g.stride, slotData(slot)},
       slot});
}

// Whether what request `i` read is the expert; then it can be found.
bool Experts::accept(size_t i) {
  const Request &request = requests[i];
  const Slot &slot = slotTable[request.slot];
  const ExpertGroup &group = manifest.expertGroups[slot.group];
  if (XXH3_64bits(request.piece.into, request.piece.bytes) !=
      hashes[slot.group][placeOf[slot.group][slot.expert]])
    return false;
  for (int64_t index : group.params)
    tables[index][kHeader + slot.expert] =
        reinterpret_cast<uint64_t>(request.piece.into) +
        manifest.params[index].offset;
  return true;
}

void Experts::failed(int code) {
  int none = 0;
  error.compare_exchange_strong(none, code);
}

void Experts::choose(const Owner &owner, const int32_t *chosen, int64_t count,
                     bool grouped) {
  auto most = static_cast<int64_t>(slotOf[owner.group].size());
  if (grouped) {
    for (int64_t e = 0; e < std::min(count, most); ++e)
      if (chosen[e + 1] > chosen[e])
        want(owner.group, static_cast<int32_t>(e), owner.counts);
  } else {
    for (int64_t i = 0; i < count; ++i)
      if (chosen[i] >= 0 && chosen[i] < most)
        want(owner.group, chosen[i], owner.counts);
  }
  bring();
}

// Reads what was requested, with a ring; without one it is left to be read.
void Experts::bring() {
  std::sort(requests.begin(), requests.end(),
            [](const Request &a, const Request &b) {
              return a.piece.offset < b.piece.offset;
            });
  for (const Request &request : requests)
    total.bytesRead += request.piece.bytes;
  if (!reader->hasRing() || requests.empty())
    return;
  std::vector<DirectReader::Piece> pieces;
  for (const Request &request : requests)
    pieces.push_back(request.piece);
  if (int code = reader->readAll(pieces, [&](size_t i) {
        if (!accept(i))
          failed(kChanged);
      }))
    failed(code);
  requests.clear();
}

// Without a ring: every thread reads what no other does.
void Experts::bringOthers() {
  for (size_t i; (i = nextRequest.fetch_add(1)) < requests.size();) {
    if (int code = reader->read(requests[i].piece))
      failed(code);
    else if (!accept(i))
      failed(kChanged);
  }
}

void Experts::count(const Owner &owner, const int32_t *chosen, int64_t count,
                    bool grouped) {
  std::vector<uint64_t> &uses = used[owner.group];
  auto most = static_cast<int64_t>(uses.size());
  std::vector<uint64_t> before(uses);
  for (int64_t i = 0; i < count; ++i)
    if (grouped && i < most)
      uses[i] += chosen[i + 1] - chosen[i];
    else if (!grouped && chosen[i] >= 0 && chosen[i] < most)
      ++uses[chosen[i]];
  for (int64_t e = 0; e < most; ++e)
    if (uses[e] != before[e])
      readByAny += manifest.expertGroups[owner.group].stride;
}

void Experts::fetch(heddle_experts *table, const int32_t *chosen, int64_t count,
                    int64_t grouped) {
  const Owner &owner = *static_cast<Owner *>(table->owner);
  Experts &self = *owner.experts;
  bool leads = self.tickets.fetch_add(1) % self.team.size() == 0;
  if (leads && owner.counts && !self.used.empty())
    self.count(owner, chosen, count, grouped);
  // Nobody reads what may have to go, or leads the next call before this one is
  // led.
  self.team.barrier();
  if (!self.streams())
    return;
  auto start = Clock::now();
  if (leads && !self.error)
    self.choose(owner, chosen, count, grouped);
  self.team.barrier();
  if (!self.reader->hasRing()) {
    self.bringOthers();
    self.team.barrier();
  }
  if (!leads)
    return;
  if (!self.reader->hasRing()) {
    self.requests.clear();
    self.nextRequest = 0;
  }
  self.total.readSeconds += secondsSince(start);
}

void Experts::fillFromProfile() {
  struct Use {
    int64_t uses;
    size_t group;
    int32_t expert;
  };
  std::vector<Use> all;
  for (size_t g = 0; g < manifest.expertGroups.size(); ++g)
    for (size_t e = 0; e < manifest.expertGroups[g].uses.size(); ++e)
      if (int64_t uses = manifest.expertGroups[g].uses[e])
        all.push_back({uses, g, static_cast<int32_t>(e)});
  std::stable_sort(all.begin(), all.end(),
                   [](const Use &a, const Use &b) { return a.uses > b.uses; });
  all.resize(std::min<size_t>(all.size(), slots));
  // Used least first, so that it goes first.
  for (auto it = all.rbegin(); it != all.rend(); ++it)
    want(it->group, it->expert, /*counted=*/false);
  bring();
  bringOthers();
  requests.clear();
  nextRequest = 0;
  resetCounts();
  check();
}

void Experts::profile(bool begin) {
  used.clear();
  readByAny = 0;
  for (const ExpertGroup &group : manifest.expertGroups) {
    if (begin)
      used.emplace_back(group.order.size(), 0);
    tables[group.params.front()][0] =
        begin || streams() ? reinterpret_cast<uint64_t>(&fetch) : 0;
  }
}

void Experts::check() {
  if (int code = error)
    program.failedWeights(code > 0 ? code : 0,
                          code == kChanged ? "weights hash of an expert = "
                                             "different"
                                           : "weights end = before an expert");
}

double Experts::measureDisk(double seconds) {
  if (!streams())
    return 0;
  // As many pieces as a token may miss in a layer, of an expert's size each.
  constexpr size_t kPieces = 8;
  Buffer into(kPieces * slotBytes);
  uint64_t state = 1, bytes = 0;
  auto start = Clock::now();
  do {
    std::vector<DirectReader::Piece> pieces;
    for (size_t i = 0; i < kPieces; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const ExpertGroup &group =
          manifest.expertGroups[(state >> 33) % manifest.expertGroups.size()];
      uint64_t place = (state >> 40) % group.order.size();
      pieces.push_back(
          {program.weightsBegin() + group.offset + place * group.stride,
           group.stride, static_cast<uint8_t *>(into.data()) + i * slotBytes});
      bytes += group.stride;
    }
    std::sort(pieces.begin(), pieces.end(),
              [](const auto &a, const auto &b) { return a.offset < b.offset; });
    if (reader->hasRing())
      (void)reader->readAll(pieces, [](size_t) {});
    else
      for (const DirectReader::Piece &piece : pieces)
        (void)reader->read(piece);
  } while (secondsSince(start) < seconds);
  return static_cast<double>(bytes) / secondsSince(start);
}

} // namespace heddle::rt
