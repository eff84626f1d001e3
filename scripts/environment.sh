# Sourced by the other scripts: makes .venv with the tested set of packages, and puts it first on PATH. Quick when nothing changed.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
stamp=$(cat pyproject.toml constraints.txt | cksum)
if [ ! -x .venv/bin/edgesoft ] || [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ]; then
  echo "installing the tested packages into .venv (a minute or two) ..." >&2
  python3 -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test]" >&2
  echo "$stamp" >.venv/stamp
fi
export PATH="$PWD/.venv/bin:$PATH"
