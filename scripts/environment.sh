# Sourced by the other scripts: makes .venv with the tested set of packages, and puts it first on PATH. Quick when nothing changed.
# With PIP_REQUIRE_HASHES=1 only the files listed in .ci/requirements.txt are installed, each held against its SHA-256.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
stamp=$(cat pyproject.toml constraints.txt .ci/requirements.txt | cksum)
if [ ! -x .venv/bin/edgesoft ] || [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ]; then
  echo "installing the tested packages into .venv (a minute or two) ..." >&2
  python3 -m venv .venv
  pip_install=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
  if [ -n "${PIP_REQUIRE_HASHES:-}" ]; then
    "${pip_install[@]}" --no-deps --requirement .ci/requirements.txt >&2
    # Our own folder has no hash; what builds it is installed by now.
    PIP_REQUIRE_HASHES='' "${pip_install[@]}" --no-deps --no-build-isolation --editable . >&2
    .venv/bin/python -m pip check --disable-pip-version-check >&2
  else
    "${pip_install[@]}" --constraint constraints.txt --editable ".[test]" >&2
  fi
  echo "$stamp" >.venv/stamp
fi
export PATH="$PWD/.venv/bin:$PATH"
