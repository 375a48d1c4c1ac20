//===- heddle.cpp - The command line --------------------------------------===//
#include "heddle/Driver/CommandLine.h"

int main(int argc, char **argv) { return heddle::runCommand(argc, argv); }
