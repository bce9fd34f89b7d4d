#!/usr/bin/env bash
# The kernels' tests on every simulated chip with several seeds; with noise on approximate functions, and with tensor cores that
# cut off bits.
#
#   all_chips.sh BUILD       BUILD: build/release
#
# SEEDS (1 2 3) may be set.  A line a run; exit 0: all passed, and the driver had nothing to report.
set -euo pipefail
build=$(cd "$1" && pwd)
export LD_LIBRARY_PATH=$build/tests/cuda/sim
runs=0 failed=0
for chip in sm_80 sm_86 sm_89 sm_90 sm_100 sm_120; do
    for seed in ${SEEDS:-1 2 3}; do
        for kind in plain SIM_NOISE SIM_CUT; do
            for test in "$build"/tests/cuda/test_cuda_kernels_*; do
                runs=$((runs + 1))
                if ! said=$(env "$kind=1" SIM_CHIP="$chip" SIM_SEED="$seed" "$test" 2>&1) || grep -q '^sim: ' <<<"$said"; then
                    failed=$((failed + 1))
                    echo "FAILED: ${test##*/} on $chip, seed $seed, $kind"
                    grep -m3 -E '^sim: |ERROR|FAILED' <<<"$said" || true
                fi
            done
        done
    done
done
echo "$runs runs, $failed failed"
[[ $failed = 0 ]]
