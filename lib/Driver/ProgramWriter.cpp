//===- ProgramWriter.cpp - ELF, manifest, tokenizer and weights -----------===//
#include "heddle/Driver/ProgramWriter.h"
#include "heddle/Support/Error.h"
#include "heddle/Support/OutputFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace heddle;

namespace {
constexpr int64_t kPage = 4096, kPiece = 2 << 20;

/// Zeros up to a multiple.
llvm::Error padTo(OutputFile &file, int64_t multiple) {
  file.os().write_zeros((multiple - int64_t(file.os().tell()) % multiple) %
                        multiple);
  return file.check();
}

llvm::Error put(OutputFile &file, llvm::StringRef data) {
  file.os().write(data.data(), data.size());
  return file.check();
}

/// XXH3 over the XXH3 of each piece of 2 MiB, whatever the sizes of the writes:
/// threads can check pieces side by side.
class PieceHash {
public:
  void update(llvm::StringRef data) {
    while (!data.empty()) {
      size_t n = std::min<size_t>(kPiece - piece.size(), data.size());
      piece.append(data.begin(), data.begin() + n);
      data = data.drop_front(n);
      if (piece.size() == kPiece)
        finish();
    }
  }
  uint64_t value() {
    if (!piece.empty())
      finish();
    return XXH3_64bits(hashes.data(), hashes.size());
  }

private:
  void finish() {
    char bytes[8];
    llvm::support::endian::write64le(bytes,
                                     XXH3_64bits(piece.data(), piece.size()));
    hashes.append(bytes, 8);
    piece.clear();
  }
  std::string piece, hashes;
};

/// Writes the weights, and after experts their hashes.
class WeightWriter {
public:
  explicit WeightWriter(OutputFile &file) : file(file) {}

  llvm::Error run(llvm::ArrayRef<WeightJob> jobs, uint64_t &hash) {
    for (const WeightJob &job : jobs) {
      if (llvm::Error error = pad(job.alignment))
        return error;
      if (job.alignment == kExpertAlignment)
        endPart();
      int64_t done = 0;
      llvm::Error error = job.write([&](llvm::ArrayRef<uint8_t> bytes) {
        done += bytes.size();
        return add(llvm::toStringRef(bytes));
      });
      if (error)
        return error;
      if (done != job.bytes)
        return failure(ExitCode::Bug,
                       job.name + ": packed " + std::to_string(done) +
                           " bytes, planned " + std::to_string(job.bytes));
    }
    bool experts = !index.empty();
    if (llvm::Error error = pad(experts ? kExpertAlignment : 64))
      return error;
    if (experts) {
      endPart();
      append(XXH3_64bits(index.data(), index.size()));
      if (llvm::Error error = add(std::string(index)))
        return error;
    }
    hash = all.value();
    return llvm::Error::success();
  }

private:
  llvm::Error add(llvm::StringRef data) {
    at += data.size();
    all.update(data);
    if (index.empty())
      dense.update(data);
    else
      XXH3_64bits_update(&expert, data.data(), data.size());
    return put(file, data);
  }
  llvm::Error pad(int64_t multiple) {
    static const char zeros[kExpertAlignment] = {};
    return add(llvm::StringRef(zeros, (multiple - at % multiple) % multiple));
  }
  void append(uint64_t value) {
    char bytes[8];
    llvm::support::endian::write64le(bytes, value);
    index.append(bytes, 8);
  }
  /// What came since the last call is whole.
  void endPart() {
    append(index.empty() ? dense.value() : XXH3_64bits_digest(&expert));
    XXH3_64bits_reset(&expert);
  }

  OutputFile &file;
  int64_t at = 0;
  PieceHash all, dense;
  XXH3_state_t expert;
  std::string index;
};
} // namespace

WeightLayout heddle::layoutWeights(llvm::ArrayRef<WeightJob> jobs) {
  WeightLayout layout;
  int64_t at = 0, experts = 0;
  for (const WeightJob &job : jobs) {
    at = llvm::alignTo(at, job.alignment);
    experts += job.alignment == kExpertAlignment;
    layout.offsets.push_back(at);
    at += job.bytes;
  }
  layout.bytes = llvm::alignTo(at, experts ? kExpertAlignment : 64);
  if (experts) {
    layout.index = layout.bytes;
    layout.bytes += 8 * (1 + experts + 1);
  }
  return layout;
}

llvm::Error heddle::writeProgram(ProgramParts parts, llvm::StringRef output,
                                 bool externalWeights) {
  auto elf = llvm::MemoryBuffer::getFile(parts.elfPath, /*IsText=*/false,
                                         /*RequiresNullTerminator=*/false);
  if (!elf)
    return failure(ExitCode::InputOutput,
                   parts.elfPath + ": " + elf.getError().message());
  uint64_t weightBytes = layoutWeights(parts.weights).bytes, weightHash = 0,
           weightAt = 0;
  OutputFile program, beside;
  if (externalWeights) {
    std::string name = output.str() + ".weights";
    (*parts.manifest.getAsObject())["weights_file"] =
        llvm::sys::path::filename(name).str();
    if (llvm::Error error = beside.open(name))
      return error;
    if (llvm::Error error = WeightWriter(beside).run(parts.weights, weightHash))
      return error;
  }
  if (llvm::Error error = program.open(output))
    return error;
  std::string manifest = llvm::formatv("{0}", parts.manifest).str();
  std::string tokenizer =
      parts.tokenizer ? llvm::formatv("{0}", *parts.tokenizer).str() : "";
  uint64_t manifestAt = 0, tokenizerAt = 0;
  auto section = [&](llvm::StringRef data, uint64_t &at) -> llvm::Error {
    if (llvm::Error error = padTo(program, kPage))
      return error;
    at = program.os().tell();
    return put(program, data);
  };
  if (llvm::Error error = put(program, (*elf)->getBuffer()))
    return error;
  if (llvm::Error error = section(manifest, manifestAt))
    return error;
  if (parts.tokenizer)
    if (llvm::Error error = section(tokenizer, tokenizerAt))
      return error;
  if (!externalWeights) {
    if (llvm::Error error = section("", weightAt))
      return error;
    if (llvm::Error error =
            WeightWriter(program).run(parts.weights, weightHash))
      return error;
  }
  std::string trailer = "HEDDLEP1";
  auto field = [&](uint64_t value) {
    char bytes[8];
    llvm::support::endian::write64le(bytes, value);
    trailer.append(bytes, 8);
  };
  field(manifestAt);
  field(manifest.size());
  field(XXH3_64bits(manifest.data(), manifest.size()));
  field(tokenizerAt);
  field(tokenizer.size());
  field(parts.tokenizer ? XXH3_64bits(tokenizer.data(), tokenizer.size()) : 0);
  field(weightAt);
  field(weightBytes);
  field(weightHash);
  field(program.os().tell() + 96);
  field(XXH3_64bits(trailer.data(), trailer.size()));
  if (llvm::Error error = put(program, trailer))
    return error;
  // Both are whole before either takes its name.
  if (llvm::Error error = program.finish(true))
    return error;
  if (externalWeights) {
    if (llvm::Error error = beside.finish(false))
      return error;
    if (llvm::Error error = beside.rename())
      return error;
  }
  return program.rename();
}
