//===- heddle-opt.cpp - mlir-opt with everything of ours ------------------===//
#include "heddle/Driver/CommandLine.h"

int main(int argc, char **argv) { return heddle::runOpt(argc, argv); }
