#!/bin/bash
# The same edit by diffusers and by firered, in turn, and a table of both.
#
#   tools/bench/compare.sh [--steps N] [--size N] [--threads N] [--guidance-scale G] [--peers float32,bfloat16]
#
# Everything it needs goes into build/compare: a Python venv with torch and diffusers (some GB of download), and a model of
# random weights (1.7 GB), which make_bench_model.py makes. VENV and MODEL in the environment name others that are there
# already; FIRERED_KERNELS=avx2 holds both to AVX2. The whole takes about ten minutes on one core, bfloat16 without
# AVX512-BF16 much longer: leave it out with --peers float32.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=build/compare
firered=build/release/firered
[ -x $firered ] || { echo "build firered first: cmake --preset release && cmake --build --preset release" >&2; exit 1; }

venv=${VENV-$work/venv}
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q -r tools/bench/requirements.txt
fi
model=${MODEL-$work/model}
if [ ! -f "$model/edit_config.json" ]; then
    echo "making the model ..." >&2
    "$venv/bin/python" tools/bench/make_bench_model.py "$model"
fi
exec "$venv/bin/python" tools/bench/compare.py --firered $firered --model "$model" "$@"
