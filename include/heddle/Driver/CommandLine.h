//===- CommandLine.h - The command lines of the tools -----------*- C++ -*-===//
#ifndef HEDDLE_DRIVER_COMMANDLINE_H
#define HEDDLE_DRIVER_COMMANDLINE_H

namespace heddle {
/// Runs one command; returns its exit code.
int runCommand(int argc, char **argv);
/// heddle-opt.
int runOpt(int argc, char **argv);
} // namespace heddle

#endif // HEDDLE_DRIVER_COMMANDLINE_H
