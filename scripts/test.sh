#!/usr/bin/env bash
# Runs the whole test suite on a fresh clone; arguments go to pytest.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
python -m pytest "$@"
