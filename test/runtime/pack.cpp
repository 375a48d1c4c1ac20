//===- pack.cpp - Assembles a program file for tests ----------------------===//
//
// pack ELF MANIFEST TOKENIZER|- WEIGHTS OUT [external]
//
//===----------------------------------------------------------------------===//

#define XXH_INLINE_ALL
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>
#include <xxhash.h>

static std::string read(const char *path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

int main(int argc, char **argv) {
  if (argc < 6)
    return 2;
  std::string out = read(argv[1]), weights = read(argv[4]);
  uint64_t trailer[12] = {};
  memcpy(&trailer[0], "HEDDLEP1", 8);
  auto append = [&](const std::string &part, uint64_t *field) {
    out.resize((out.size() + 4095) / 4096 * 4096);
    field[0] = out.size();
    field[1] = part.size();
    out += part;
    field[2] = XXH3_64bits(part.data(), part.size());
  };
  append(read(argv[2]), &trailer[1]);
  if (strcmp(argv[3], "-") != 0)
    append(read(argv[3]), &trailer[4]);
  if (argc > 6) {
    std::ofstream(std::string(argv[5]) + ".weights", std::ios::binary)
        << weights;
    trailer[8] = weights.size();
  } else {
    append(weights, &trailer[7]);
  }
  std::vector<uint64_t> hashes;
  uint64_t piece = 2 << 20;
  for (uint64_t at = 0; at < weights.size(); at += piece)
    hashes.push_back(XXH3_64bits(
        &weights[at], std::min<uint64_t>(piece, weights.size() - at)));
  trailer[9] = XXH3_64bits(hashes.data(), hashes.size() * 8);
  trailer[10] = out.size() + sizeof(trailer);
  trailer[11] = XXH3_64bits(trailer, 88);
  out.append(reinterpret_cast<char *>(trailer), sizeof(trailer));
  return std::ofstream(argv[5], std::ios::binary)
                 .write(out.data(), static_cast<std::streamsize>(out.size()))
             ? 0
             : 6;
}
