// Process 1 of the emulated machine. Runs each line of /commands (words apart
// by one space) and writes to the emulator's debug port, for each, a line
//
//     done STATUS OUT ERR FILE
//
// and then OUT bytes of standard output, ERR of standard error and FILE of
// /out, which the command may have written. STATUS is as a shell gives it: 128
// + the signal of one that was killed. Then it ends the emulator.

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr unsigned short kDebugPort = 0xe9, kEndPort = 0x8900;

void put(const std::string &text, unsigned short port = kDebugPort) {
  for (char c : text)
    outb(static_cast<unsigned char>(c), port);
}

std::string contents(const char *path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void redirect(int fd, const char *path, int flags) {
  int opened = open(path, flags, 0600);
  if (opened < 0 || dup2(opened, fd) != fd)
    _exit(126);
}

int run(const std::string &line) {
  std::istringstream in(line);
  std::vector<std::string> words{std::istream_iterator<std::string>(in), {}};
  std::vector<char *> arguments;
  for (std::string &word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = fork();
  if (child == 0) {
    redirect(0, "/dev/null", O_RDONLY);
    redirect(1, "/stdout", O_WRONLY | O_CREAT | O_TRUNC);
    redirect(2, "/stderr", O_WRONLY | O_CREAT | O_TRUNC);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child)
    return 126;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

} // namespace

int main() {
  for (auto [kind, at] :
       {std::pair("proc", "/proc"), {"sysfs", "/sys"}, {"devtmpfs", "/dev"}}) {
    mkdir(at, 0755);
    if (mount(kind, at, kind, 0, nullptr) != 0)
      return 1; // the kernel panics, which ends the emulator
  }
  if (iopl(3) != 0)
    return 1;
  std::ifstream commands("/commands");
  for (std::string line; std::getline(commands, line);) {
    unlink("/out");
    int status = run(line);
    std::string out = contents("/stdout"), err = contents("/stderr"),
                file = contents("/out");
    std::ostringstream head;
    head << "done " << status << ' ' << out.size() << ' ' << err.size() << ' '
         << file.size() << '\n';
    put(head.str() + out + err + file);
  }
  put("Shutdown", kEndPort);
}
