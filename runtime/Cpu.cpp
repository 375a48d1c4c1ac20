//===- Cpu.cpp - CPU features, level choice, core counts ------------------===//

#include "heddle/runtime/Cpu.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <fstream>
#include <sched.h>
#include <set>
#include <unistd.h>
#include <utility>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace heddle::rt {

namespace {

#if defined(__x86_64__)

enum Register { EAX, EBX, ECX, EDX };
// What the system must save for the feature to be usable (bits of XCR0).
constexpr uint64_t kNone = 0, kAvx = 0x6, kAvx512 = 0xe6, kAmx = 0x60000;

struct Feature {
  const char *name;
  unsigned leaf, subleaf;
  Register reg;
  unsigned bit;
  uint64_t state;
};

constexpr Feature kFeatures[] = {
    {"cmov", 1, 0, EDX, 15, kNone},
    {"cx8", 1, 0, EDX, 8, kNone},
    {"mmx", 1, 0, EDX, 23, kNone},
    {"fxsr", 1, 0, EDX, 24, kNone},
    {"sse", 1, 0, EDX, 25, kNone},
    {"sse2", 1, 0, EDX, 26, kNone},
    {"sse3", 1, 0, ECX, 0, kNone},
    {"pclmul", 1, 0, ECX, 1, kNone},
    {"ssse3", 1, 0, ECX, 9, kNone},
    {"fma", 1, 0, ECX, 12, kAvx},
    {"cx16", 1, 0, ECX, 13, kNone},
    {"sse4.1", 1, 0, ECX, 19, kNone},
    {"sse4.2", 1, 0, ECX, 20, kNone},
    {"crc32", 1, 0, ECX, 20, kNone},
    {"movbe", 1, 0, ECX, 22, kNone},
    {"popcnt", 1, 0, ECX, 23, kNone},
    {"aes", 1, 0, ECX, 25, kNone},
    {"xsave", 1, 0, ECX, 26, kNone},
    {"avx", 1, 0, ECX, 28, kAvx},
    {"f16c", 1, 0, ECX, 29, kAvx},
    {"bmi", 7, 0, EBX, 3, kNone},
    {"avx2", 7, 0, EBX, 5, kAvx},
    {"bmi2", 7, 0, EBX, 8, kNone},
    {"avx512f", 7, 0, EBX, 16, kAvx512},
    {"avx512dq", 7, 0, EBX, 17, kAvx512},
    {"avx512ifma", 7, 0, EBX, 21, kAvx512},
    {"avx512cd", 7, 0, EBX, 28, kAvx512},
    {"avx512bw", 7, 0, EBX, 30, kAvx512},
    {"avx512vl", 7, 0, EBX, 31, kAvx512},
    {"avx512vbmi", 7, 0, ECX, 1, kAvx512},
    {"avx512vbmi2", 7, 0, ECX, 6, kAvx512},
    {"gfni", 7, 0, ECX, 8, kNone},
    {"avx512vnni", 7, 0, ECX, 11, kAvx512},
    {"avx512bitalg", 7, 0, ECX, 12, kAvx512},
    {"avx512vpopcntdq", 7, 0, ECX, 14, kAvx512},
    {"amx-bf16", 7, 0, EDX, 22, kAmx},
    {"avx512fp16", 7, 0, EDX, 23, kAvx512},
    {"amx-tile", 7, 0, EDX, 24, kAmx},
    {"amx-int8", 7, 0, EDX, 25, kAmx},
    {"avxvnni", 7, 1, EAX, 4, kAvx},
    {"avx512bf16", 7, 1, EAX, 5, kAvx512},
    {"amx-fp16", 7, 1, EAX, 21, kAmx},
    {"avxifma", 7, 1, EAX, 23, kAvx},
    {"avxvnniint8", 7, 1, EDX, 4, kAvx},
    {"avxneconvert", 7, 1, EDX, 5, kAvx},
    {"sahf", 0x80000001, 0, ECX, 0, kNone},
    {"lzcnt", 0x80000001, 0, ECX, 5, kNone},
    {"64bit", 0x80000001, 0, EDX, 29, kNone},
};

uint64_t savedState() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1))
    return 0;
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

bool hasFeature(const Feature &feature) {
  unsigned r[4] = {0, 0, 0, 0};
  if (feature.subleaf) {
    // A subleaf above the highest one answers with another leaf's data.
    unsigned highest = 0, b, c, d;
    if (!__get_cpuid_count(feature.leaf, 0, &highest, &b, &c, &d) ||
        feature.subleaf > highest)
      return false;
  }
  if (!__get_cpuid_count(feature.leaf, feature.subleaf, &r[0], &r[1], &r[2],
                         &r[3]))
    return false;
  return (r[feature.reg] >> feature.bit & 1) &&
         (savedState() & feature.state) == feature.state;
}

#elif defined(__aarch64__)

// Bits of AT_HWCAP (word 0) and AT_HWCAP2 (word 1), from the kernel's ABI.
struct Feature {
  const char *name;
  int word;
  unsigned bit;
};

constexpr Feature kFeatures[] = {
    {"fp-armv8", 0, 0}, {"neon", 0, 1},  {"aes", 0, 3},       {"sha2", 0, 6},
    {"crc", 0, 7},      {"lse", 0, 8},   {"fullfp16", 0, 10}, {"rdm", 0, 12},
    {"rcpc", 0, 15},    {"sha3", 0, 17}, {"dotprod", 0, 20},  {"sve", 0, 22},
    {"fp16fml", 0, 23}, {"sve2", 1, 1},  {"i8mm", 1, 13},     {"bf16", 1, 14},
    {"sme", 1, 23},
};

bool hasFeature(const Feature &feature) {
  unsigned long word = getauxval(feature.word ? AT_HWCAP2 : AT_HWCAP);
  return word >> feature.bit & 1;
}

#else
#error "no feature detection for this architecture"
#endif

std::vector<std::string> splitFeatures(const char *list) {
  std::vector<std::string> result;
  std::string current;
  for (const char *p = list ? list : "";; ++p) {
    if (*p && *p != ',') {
      if (*p != '+' || !current.empty())
        current += *p;
      continue;
    }
    if (!current.empty())
      result.push_back(std::move(current));
    current.clear();
    if (!*p)
      return result;
  }
}

std::string joined(const std::vector<std::string> &parts) {
  std::string text;
  for (const std::string &part : parts)
    text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::vector<int> allowedCpus() {
  std::vector<int> cpus;
  // The mask's size is the kernel's; grow until it accepts ours.
  for (int most = 1024; most <= 1 << 16; most *= 2) {
    cpu_set_t *set = CPU_ALLOC(most);
    size_t size = CPU_ALLOC_SIZE(most);
    if (set && sched_getaffinity(0, size, set) == 0)
      for (int cpu = 0; cpu < most; ++cpu)
        if (CPU_ISSET_S(cpu, size, set))
          cpus.push_back(cpu);
    CPU_FREE(set);
    if (!cpus.empty())
      return cpus;
  }
  return {0};
}

// Whole CPUs that the cgroup's quota grants, rounded up.
int quotaCpus() {
  std::ifstream in("/sys/fs/cgroup/cpu.max");
  long long quota, period;
  if (in >> quota >> period && quota > 0 && period > 0)
    return static_cast<int>(
        std::min<long long>((quota + period - 1) / period, 1 << 16));
  return 1 << 16;
}

} // namespace

bool cpuHas(const std::string &name) {
  std::string plain = name.substr(name.find_first_not_of('+') == 1 ? 1 : 0);
  for (const Feature &feature : kFeatures)
    if (plain == feature.name)
      return hasFeature(feature);
  return false;
}

std::vector<std::string> missingFeatures(const heddle_level &level) {
  std::vector<std::string> missing;
  for (std::string &feature : splitFeatures(level.features))
    if (!cpuHas(feature))
      missing.push_back(std::move(feature));
  return missing;
}

const heddle_level &chooseLevel(const std::string &isa) {
  std::vector<std::string> names, lastMissing;
  std::string lastName;
  for (const heddle_level *level = heddle_levels; level->name; ++level) {
    names.push_back(level->name);
    if (!isa.empty() && isa != level->name)
      continue;
    lastMissing = missingFeatures(*level);
    lastName = level->name;
    if (lastMissing.empty())
      return *level;
  }
  if (lastName.empty())
    fail(ExitCode::Usage, "--isa = " + isa + ", limit one of " + joined(names),
         names.empty() ? "" : "`--isa=" + names.back() + "`");
  // The last level is the least demanding one.
  fail(ExitCode::Hardware,
       "this CPU lacks " + joined(lastMissing) + ", which level " + lastName +
           " needs",
       isa.empty() ? "compile on this machine, or for a lower level: `heddle "
                     "compile MODEL --target=native -o PROG`"
                   : "without --isa the best level that this CPU has runs");
}

void enableLevel(const heddle_level &level) {
#if defined(__x86_64__)
  bool tiles = false;
  for (const std::string &feature : splitFeatures(level.features))
    tiles |= feature.compare(0, 4, "amx-") == 0;
  constexpr int requestPermission = 0x1023, tileData = 18;
  if (tiles && syscall(SYS_arch_prctl, requestPermission, tileData) != 0)
    fail(ExitCode::Hardware, std::string("the system refuses AMX tiles, which "
                                         "level ") +
                                 level.name + " needs");
#else
  (void)level;
#endif
}

int logicalCores() {
  static const int count =
      std::min(static_cast<int>(allowedCpus().size()), quotaCpus());
  return std::max(count, 1);
}

int physicalCores() {
  std::set<std::pair<int, int>> cores;
  for (int cpu : allowedCpus()) {
    std::string folder =
        "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    std::ifstream package(folder + "physical_package_id"),
        core(folder + "core_id");
    int packageId = 0, coreId = 0;
    // Where the system hides its topology every CPU counts as a core.
    if (!(package >> packageId) || !(core >> coreId))
      coreId = 1'000'000 + cpu;
    cores.insert({packageId, coreId});
  }
  return std::clamp(static_cast<int>(cores.size()), 1,
                    std::max(quotaCpus(), 1));
}

} // namespace heddle::rt
