#!/bin/bash
# How much of N connections' speed `firered pull` uses, hashing and fsync included: the stand-in for the hub gives each
# connection 25 MB/s.
#
#   tools/bench/pull_speed.sh [--runs R] [--seconds S] [N ...]        (default: 3 runs of about 6 s, N = 1 4 8)
#
# Prints MB/s from the program's start to its end, and the share of N x 25. The stand-in is Python and takes a core of its
# own from about 200 MB/s on; on a busy machine the best run counts. Needs SECONDS x N x 25 MB twice in WORK (build/pull_speed).
set -euo pipefail
cd "$(dirname "$0")/../.."
firered=$PWD/build/release/firered work=${WORK-$PWD/build/pull_speed}
runs=3 seconds=6
while [[ ${1-} == --* ]]; do
    case $1 in
        --runs) runs=$2 ;;
        --seconds) seconds=$2 ;;
        *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
    shift 2
done
[ $# -gt 0 ] || set -- 1 4 8
[ -x "$firered" ] || { echo "build firered first: cmake --preset release && cmake --build --preset release" >&2; exit 1; }

mkdir -p "$work"
stub=
end() {
    if [ -n "$stub" ]; then kill "$stub" 2>/dev/null || true; fi
    rm -rf "$work/model" "$work/root" "$work/cache" "$work/state"
}
trap end EXIT

echo "| connections | MB | runs, MB/s | best, of N x 25 |"
echo "|---:|---:|---|---:|"
for n in "$@"; do
    end
    mb=$((n * 25 * seconds))
    cp -r tests/data/tiny-edit/model "$work/model"
    head -c $((mb * 1000000)) /dev/urandom >"$work/model/transformer/diffusion_pytorch_model.safetensors"
    python3 tests/hub/hub_stub.py --root "$work/root" --make "example/speed=$work/model" --bandwidth 25000000 \
        --state "$work/state" >/dev/null &
    stub=$!
    until [ -s "$work/state" ]; do sleep 0.1; done
    endpoint=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["hub"])' "$work/state")
    export HF_ENDPOINT=$endpoint HF_HUB_CACHE=$work/cache
    "$firered" pull example/speed --dry-run --quiet >/dev/null # the stand-in hashes its files when first asked
    all='' best=0
    for _ in $(seq "$runs"); do
        rm -rf "$work/cache"
        sync
        begin=$(date +%s.%N)
        "$firered" pull example/speed --connections "$n" --quiet >/dev/null
        speed=$(echo "$begin $(date +%s.%N) $(du -sbL "$work/model" | cut -f1)" | awk '{printf "%.1f", $3 / 1e6 / ($2 - $1)}')
        all="$all $speed"
        best=$(echo "$best $speed" | awk '{print ($2 > $1 ? $2 : $1)}')
    done
    echo "$n $mb $best $all" | awk '{printf "| %d | %d |", $1, $2; for (i = 4; i <= NF; i++) printf " %s", $i
        printf " | %.1f, %.0f %% |\n", $3, 100 * $3 / ($1 * 25)}'
done
