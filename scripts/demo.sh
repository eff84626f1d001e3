#!/usr/bin/env bash
# From nothing to a verified INT8 model that reads pictures: the three commands, in a folder of their own.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
pictures="$PWD/exported/samples"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

run() {
  printf '\n$ %s\n' "$*"
  "$@"
}
run edgesoft train --epochs 4
run edgesoft export --quantize
run edgesoft infer "$pictures"/*
