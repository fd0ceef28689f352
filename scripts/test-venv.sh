#!/usr/bin/env bash
# Makes target/test-venv, the Python with TensorBoard by which tests read back what we wrote, and
# prints its interpreter. Tests take it as S4_TEST_PYTHON; nothing else here uses Python.
set -euo pipefail

pin=tensorboard==2.21.0
venv=$(cd "$(dirname "$0")/.." && pwd)/target/test-venv

if [ "$(cat "$venv/pin" 2>/dev/null)" != "$pin" ]; then
    echo "test-venv: installing $pin" >&2
    python3 -m venv --clear "$venv" >&2 ||
        { echo "test-venv: python3 with its venv module is needed (Debian: python3-venv)" >&2 && exit 1; }
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$pin" >&2 ||
        { echo "test-venv: cannot install from PyPI; see above" >&2 && exit 1; }
    echo "$pin" >"$venv/pin"
fi
echo "$venv/bin/python"
