#!/usr/bin/env bash
# Runs the whole test suite on a fresh clone, a process a core; arguments go to pytest.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
export OMP_NUM_THREADS=1 # the processes share the cores already
python -m pytest --numprocesses auto "$@"
