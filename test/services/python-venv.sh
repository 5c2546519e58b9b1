#!/bin/sh
# Makes .venv/ at the root of the repository with the Python programs that tests use as readers of what
# we write. Does nothing when it is up to date. Needs python3 (3.10 or newer) with venv and pip.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
requirements="$root/test/services/requirements.txt"
venv="$root/.venv"
if cmp -s "$requirements" "$venv/installed.txt"; then exit 0; fi
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
cp "$requirements" "$venv/installed.txt"
