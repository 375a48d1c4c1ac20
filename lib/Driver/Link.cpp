//===- Link.cpp - Objects to a static program, with lld in-process --------===//
#include "heddle/Driver/Link.h"
#include "heddle/Support/Error.h"
#include "lld/Common/Driver.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <dlfcn.h>
#include <mutex>
#include <vector>

LLD_HAS_DRIVER(elf)

std::string heddle::findSysroot(llvm::StringRef arch) {
  // Beside this library, whoever loaded it: a tool, or an interpreter
  // elsewhere.
  Dl_info self;
  ::dladdr(reinterpret_cast<void *>(&findSysroot), &self);
  llvm::SmallString<128> path;
  llvm::sys::fs::real_path(self.dli_fname, path);
  llvm::sys::path::remove_filename(path);
  llvm::sys::path::append(path, "heddle", "sysroot", arch);
  return path.str().str();
}

llvm::Error heddle::linkProgram(llvm::StringRef sysroot, llvm::StringRef arch,
                                llvm::ArrayRef<std::string> objects,
                                llvm::StringRef output, unsigned jobs) {
  std::string dir = sysroot.str() + "/";
  if (!llvm::sys::fs::exists(dir + "libheddle_runtime.a"))
    return failure(ExitCode::Unsupported,
                   "sysroot of " + arch.str() + " = " + sysroot.str() +
                       ", not there",
                   "scripts/setup.sh --test && scripts/build.sh");
  std::vector<std::string> args = {"ld.lld",
                                   "-static",
                                   "--gc-sections",
                                   "--eh-frame-hdr",
                                   "--build-id=none",
                                   "--strip-debug",
                                   "-o",
                                   output.str()};
  if (jobs)
    args.push_back("--threads=" + std::to_string(jobs));
  for (const char *name : {"crt1.o", "crti.o", "crtbeginT.o"})
    args.push_back(dir + name);
  args.insert(args.end(), objects.begin(), objects.end());
  for (const char *name :
       {"libheddle_runtime.a", "libpcre2-8.a", "liburing.a", "libstdc++.a"})
    args.push_back(dir + name);
  args.push_back("--start-group");
  for (const char *name :
       {"libgcc.a", "libgcc_eh.a", "libc.a", "libm.a", "libmvec.a"})
    args.push_back(dir + name);
  args.push_back("--end-group");
  for (const char *name : {"crtend.o", "crtn.o"})
    args.push_back(dir + name);
  std::vector<const char *> pointers;
  for (const std::string &arg : args)
    pointers.push_back(arg.c_str());
  std::string words;
  llvm::raw_string_ostream os(words);
  static std::mutex mutex; // lld keeps global state
  std::lock_guard<std::mutex> lock(mutex);
  lld::Result result =
      lld::lldMain(pointers, os, os, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode) {
    // Warnings may come first. What lld cannot write is no fault of the
    // objects.
    llvm::StringRef text = words,
                    line = text.substr(text.find("error: ")).split('\n').first;
    if (line.empty())
      line = text.split('\n').first;
    bool written = line.contains("failed to open " + output.str()) ||
                   line.contains("failed to write") ||
                   line.contains("cannot open output file");
    return failure(written ? ExitCode::InputOutput : ExitCode::Bug,
                   "lld: " + line.str());
  }
  return llvm::Error::success();
}
