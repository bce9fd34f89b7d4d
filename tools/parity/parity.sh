#!/bin/bash
# The same edits by diffusers and by firered, tensor by tensor: for who has the real weights.
#
#   tools/parity/parity.sh [--dtype float32|bfloat16] [--blocks] [--recorded] --model FOLDER CASE...
#
# parity.py --help says the rest. The Python venv that it needs goes into build/parity (some GB of download, for torch and
# diffusers); VENV in the environment names one that is there already.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ -x build/release/tools/parity/parity_trace ] ||
    { echo "build firered first: cmake --preset release && cmake --build --preset release" >&2; exit 1; }
venv=${VENV-build/parity/venv}
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q -r tools/bench/requirements.txt 'pillow<13' # 13 resizes in another order
fi
exec "$venv/bin/python" tools/parity/parity.py "$@"
