#!/usr/bin/env bash
# Plants the mistakes of mistakes.txt in the kernels, one at a time: each must be noticed, by a wrong number or by the driver's
# word.  Without one the kernels pass, and each kernel and each word of words.h has its mistakes.
#
#   run.sh BUILD [PATTERN]     BUILD: build/release; PATTERN: only mistakes whose heading it fits
#
# NVCC, SEEDS (1 2 3) and JOBS (as many as cores) may be set.  A line a mistake; exit 0: all were noticed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$1" && pwd) pattern=${2:-}
kernels=$here/../../../src/compute/cuda/kernels
export NVCC=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)} SEEDS=${SEEDS:-1 2 3}
export LD_LIBRARY_PATH=$build/tests/cuda/sim SIM_WATCHDOG=20000000 SIM_THREADS=1 SIM_NOISE=1 build
unset SIM_FAIL SIM_INIT SIM_RACE SIM_EAGER SIM_REPORT SIM_CHIP
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# compile FOLDER FILE.cu
compile() {
    "$NVCC" -std=c++17 -O3 -ptx -arch=compute_80 -o "$1/kernels.ptx" "$1/$2" >"$1/nvcc" 2>&1 ||
        { cat "$1/nvcc"; return 1; }
}

# try FOLDER PROGRAM TEST: what the driver or the test said; nothing: it passed.  A whole word of PTX that the simulator refuses
# is a notice, too: a program that does not load draws no wrong picture.
try() {
    local seed said
    for seed in $SEEDS; do
        said=$(CUDA_TEST_PTX=$1/kernels.ptx SIM_SEED=$seed timeout 300 "$build/tests/cuda/test_cuda_kernels_$2" "test_$3" 2>&1) &&
            ! grep -q '^sim: ' <<<"$said" && continue
        grep -m1 '^sim: ' <<<"$said" || grep -m1 '^ERROR' <<<"$said" || echo "exit status not 0"
        return
    done
}

# shellcheck disable=SC2317 # xargs calls it
# plant FOLDER: the folder has `heading`, `old` and `new`.
plant() {
    local subject program test compiled changed what text old new said
    IFS='|' read -r subject program test compiled changed what < <(sed 's/ *| */|/g' "$1/heading")
    cp "$kernels"/*.cu "$kernels"/*.h "$1"
    text=$(<"$1/$changed") old=$(<"$1/old") new=$(<"$1/new")
    [[ $text == *"$old"* ]] || { echo "STALE    $subject: $what: $changed has no such text"; return 1; }
    printf '%s\n' "${text/"$old"/"$new"}" >"$1/$changed"
    compile "$1" "$compiled" || { echo "BROKEN   $subject: $what: does not compile"; return 1; }
    said=$(try "$1" "$program" "$test")
    if [[ -n $said ]]; then
        printf 'noticed  %-20s %s: %.120s\n' "$subject" "$what" "$said"
    else
        printf 'MISSED   %-20s %s\n' "$subject" "$what"
        return 1
    fi
}
export -f compile try plant
export kernels

# One folder a mistake.
awk -v work="$work" '
    /^#/ && !part { next }
    /^== / { n++; part = "heading"; dir = sprintf("%s/%03d", work, n); system("mkdir -p " dir); sub(/^== /, "") }
    /^--$/ { part = "new"; printf "" > (dir "/new"); next }
    part { print > (dir "/" part) }
    part == "heading" { close(dir "/heading"); part = "old" }
' "$here/mistakes.txt"
rc=0

if [[ -z $pattern ]]; then # the kernels as they are, file by file as below; and all of them have mistakes
    mapfile -t right < <(cut -d'|' -f2,4 "$work"/*/heading | tr -d ' ' | sort -u)
    for pair in "${right[@]}"; do
        mkdir -p "$work/right" && cp "$kernels"/*.cu "$kernels"/*.h "$work/right"
        compile "$work/right" "${pair#*|}"
        tests=$(awk -F'|' -v p="${pair%|*}" -v c="${pair#*|}" '{ gsub(/ /, "") } $2 == p && $4 == c { print $3 }' "$work"/0*/heading "$work"/1*/heading | sort -u)
        for test in $tests; do
            said=$(try "$work/right" "${pair%|*}" "$test")
            [[ -z $said ]] || { echo "WRONG    $test without a mistake: $said"; rc=1; }
        done
    done
    words=$(grep -oP '^(template <int N> )?DEVICE \w+ \K\w+(?=\()' "$kernels/words.h")
    for name in $(grep -oP '\.entry \K\w+' "$build/src/compute/cuda/kernels/kernels.ptx") $words; do
        grep -q "^$name " "$work"/*/heading || { echo "MISSING  $name has no mistakes"; rc=1; }
    done
fi

mapfile -t folders < <(grep -lE -- "$pattern" "$work"/[0-9]*/heading | xargs -n1 dirname)
printf '%s\n' "${folders[@]}" | xargs -P "${JOBS:-$(nproc)}" -I{} bash -c 'plant {}' | tee "$work/log" || rc=1
echo "${#folders[@]} mistakes, $(grep -c '^noticed' "$work/log") noticed"
[[ $(grep -c '^noticed' "$work/log") == "${#folders[@]}" ]] || rc=1
exit $rc
