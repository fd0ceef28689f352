#!/usr/bin/env bash
# Makes target/test-venv, the Python with TensorBoard by which tests read back what we wrote, and
# prints its interpreter. Tests take it as S4_TEST_PYTHON; nothing else here uses Python. On Linux it
# also holds NVRTC, CUDA's run-time compiler, with which tests compile the kernels for GPUs; `make test`
# names it to them as S4_NVRTC.
set -euo pipefail

pins="tensorboard==2.21.0"
[ "$(uname -sm)" != "Linux x86_64" ] || pins="$pins nvidia-cuda-nvrtc==13.0.88"
venv=$(cd "$(dirname "$0")/.." && pwd)/target/test-venv

if [ "$(cat "$venv/pin" 2>/dev/null)" != "$pins" ]; then
    echo "test-venv: installing $pins" >&2
    python3 -m venv --clear "$venv" >&2 ||
        { echo "test-venv: python3 with its venv module is needed (Debian: python3-venv)" >&2 && exit 1; }
    # shellcheck disable=SC2086 # a pin is a word
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check $pins >&2 ||
        { echo "test-venv: cannot install from PyPI; see above" >&2 && exit 1; }
    echo "$pins" >"$venv/pin"
fi
echo "$venv/bin/python"
