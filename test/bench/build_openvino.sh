#!/usr/bin/env bash
# Installs OpenVINO GenAI for test/bench/compare.py --peer=openvino into an environment
# of its own, build/openvino: test/bench/build_openvino.sh. Its makers' build chooses
# its kernels at run time. Does nothing, quickly, when it is there.
source "$(dirname "$0")/../../scripts/lib.sh"

VENV=$BUILD/openvino
VENV_PYTHON=$VENV/bin/python

install_packages python3 python3-venv
mkdir -p "$BUILD"
install_python peer test/bench/requirements-openvino.txt
say "$("$VENV_PYTHON" -c 'import openvino_genai as g; print("OpenVINO GenAI", g.__version__)')"
