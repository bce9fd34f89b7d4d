#!/usr/bin/env bash
# Runs right kernels and every mistake on the simulated driver: a right one must give right numbers without a report on every
# chip and seed, a mistake must be noticed as its table says.
#
#   run.sh BUILD      BUILD: build/release
#
# NVCC, SEEDS (1 2 3) and ONLY (one mistake's name) may be set.  Exit 0: all as it should be.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
OUT=$(cd "$1" && pwd)/tests/cuda/sim
NVCC=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
CUDA=$(dirname "$(dirname "$NVCC")")
SEEDS=${SEEDS:-1 2 3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LD_LIBRARY_PATH="$OUT"
unset SIM_CHIP SIM_SEED SIM_FAIL SIM_INIT SIM_RACE SIM_EAGER SIM_REPORT
export SIM_WATCHDOG=20000000
cd "$here" || exit 1
image=
fails=0 others=0 right=0 mistakes=0 noticed=0 misuses=0 told=0

ptx() { # file, name, mistake
    "$NVCC" -std=c++17 -O3 -ptx -arch=compute_80 -diag-suppress 177,549 -o "$work/$1.$2.ptx" "-D${3:-RIGHT}" "$here/$1.cu" ||
        { echo "$1 $2 does not compile"; exit 1; }
}
host() { # name, mistake
    gcc -std=c17 -O1 -g -Wno-unused -I"$CUDA/include" -o "$work/host.$1" "-D${2:-RIGHT}" host.c copies.c \
        "$OUT/libcuda.so.1" -lm -lpthread || { echo "host $1 does not compile"; exit 1; }
}

# what is exported is what the toolkit's stub has (and three sim* of our own)
stub=$CUDA/lib64/stubs/libcuda.so
if [ -e "$stub" ]; then
    for l in "$OUT/libcuda.so.1" "$stub"; do
        nm -D --defined-only "$l" | awk '$3 ~ /^cu/ {print $3}' | sort >"$work/$(basename "$l").names"
    done
    strange=$(comm -23 "$work/libcuda.so.1.names" "$work/libcuda.so.names")
    echo "$(wc -l <"$work/libcuda.so.1.names") entry points, not in the stub: ${strange:-none}"
    [ -z "$strange" ] || others=$((others + 1))
fi

host right
for f in gemm reduce softmax transpose stages language; do
    ptx $f right
done

# the right ones
for chip in 80 86 89 90 100 120; do
    for seed in $SEEDS; do
        for k in gemm:gemm reduce:reduce softmax:softmax transpose:transpose hand_over:transpose \
            last_block:transpose turn:transpose copies:stages language:language; do
            SIM_NOISE=$((seed % 2)) SIM_CHIP=sm_$chip SIM_SEED=$seed "$work/host.right" ${k%:*} \
                "$work/${k#*:}.right.ptx" >"$work/log" 2>&1
            rc=$?
            right=$((right + 1))
            if [ $rc != 0 ] || grep -q '^sim:' "$work/log"; then
                fails=$((fails + 1))
                echo "WRONG: right ${k%:*} on sm_$chip, seed $seed: exit $rc"
                cat "$work/log"
            fi
        done
    done
done
echo "right kernels and copies: $right runs, $fails of them wrong"

# the meaning of the instructions, chip 80 and 89 (fp8)
gcc -std=gnu17 -O1 -g -ffp-contract=off -I"$CUDA/include" -o "$work/semantics" semantics.c "$OUT/libcuda.so.1" -lm || exit 1
for chip in 80 89; do
    SIM_CHIP=sm_$chip "$work/semantics" || others=$((others + 1))
done

"$work/semantics" --print >"$work/semantics.ptx"
"$CUDA/bin/ptxas" -arch=sm_80 -o /dev/null "$work/semantics.ptx" || others=$((others + 1)) # it is PTX indeed

# what must be refused, and what must not: name, what the output must say, environment, image
"$NVCC" -std=c++17 -O3 -ptx -arch=compute_90 -diag-suppress 177,549 -o "$work/new.ptx" transpose.cu
"$NVCC" -std=c++17 -O3 -cubin -arch=sm_86 -diag-suppress 177,549 -o "$work/code.cubin" transpose.cu
for mode in none speed size; do
    "$NVCC" -std=c++17 -O3 -fatbin -compress-mode=$mode -diag-suppress 177,549 -gencode arch=compute_80,code=sm_80 \
        -gencode arch=compute_80,code=compute_80 -o "$work/$mode.fatbin" transpose.cu
done
"$NVCC" -std=c++17 -O3 -fatbin -diag-suppress 177,549 -gencode arch=compute_80,code=sm_80 -o "$work/code.fatbin" transpose.cu
sed 's/bar.sync/bar.synch/' "$work/transpose.right.ptx" >"$work/unknown.ptx"
sed 's/add.s32/add.new.s32/' "$work/transpose.right.ptx" >"$work/modifier.ptx"
sed '0,/bar.sync/s/bar.sync/stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r1], {%r1}; bar.sync/' "$work/transpose.right.ptx" >"$work/target.ptx"
refusals=0 refused=0
try() { # says name environment... -- image
    says=$1 name=$2
    shift 2
    refusals=$((refusals + 1))
    env "$@" "$work/host.right" transpose "$work/$image" >"$work/log" 2>&1
    if grep -qE -- "$says" "$work/log"; then
        refused=$((refused + 1))
    else
        echo "WRONG: $name: $(head -2 "$work/log")"
    fi
}
image=none.fatbin try 'worst 0' 'fatbin, not packed' A=1
image=speed.fatbin try 'worst 0' 'fatbin, LZ4' A=1
image=size.fatbin try 'no-compress|worst 0' 'fatbin, zstd' A=1
image=code.fatbin try NO_BINARY_FOR_GPU 'fatbin of machine code' A=1
image=code.cubin try NO_BINARY_FOR_GPU 'cubin' A=1
image=new.ptx try NO_BINARY_FOR_GPU 'PTX for a newer chip' SIM_CHIP=sm_86
image=new.ptx try 'worst 0' 'the same on that chip' SIM_CHIP=sm_90
image=unknown.ptx try 'ptx:[0-9]+: modifier .synch is not known' 'unknown instruction' A=1
image=modifier.ptx try 'ptx:[0-9]+: instruction add.new.s32 is not known' 'unknown modifier' A=1
image=target.ptx try 'needs .target sm_90' 'instruction of a newer chip' SIM_CHIP=sm_90
image=transpose.right.ptx
try UNSUPPORTED_PTX_VERSION 'driver too old' SIM_DRIVER_VERSION=12020
try NO_DEVICE 'no device' SIM_NO_DEVICE=1
for n in 1 2; do
    try OUT_OF_MEMORY "alloc:$n" SIM_FAIL=alloc:$n
    try 'UNKNOWN' "copy:$n" SIM_FAIL=copy:$n
done
try OUT_OF_RESOURCES launch:1 SIM_FAIL=launch:1
try ECC_UNCORRECTABLE sticky:1 SIM_FAIL=sticky:1
try OUT_OF_MEMORY load:1 SIM_FAIL=load:1
try OUT_OF_MEMORY 'a small card' SIM_MEMORY=8K
try 'worst 0' 'a card of 1 GB' SIM_MEMORY=1G
echo "refusals and failures on demand: $refused of $refusals as they should be"
[ $refused = $refusals ] || others=$((others + 1))

line() { # kind name words log rc
    verdict=MISSED
    case $3 in
    numbers) [ "$5" = 1 ] && verdict=noticed ;;
    killed) [ "$5" -gt 128 ] && verdict=noticed ;;
    error*) grep -q "$3" "$4" && verdict=noticed ;;
    *) grep '^sim:' "$4" | grep -qE -- "$3" && verdict=noticed ;;
    esac
    printf '%-8s %-28s %-8s %s\n' "$1" "$2" "$verdict" "$(grep -m1 -E '^sim:|^error|wrong|worst' "$4" | cut -c1-150)"
    [ $verdict = noticed ]
}

# mistakes in kernels
while read -r f k name _ words; do
    case $f in '' | '#'*) continue ;; esac
    [ -n "$ONLY" ] && [ "$ONLY" != "$name" ] && continue
    ptx "$f" "$name" "$name"
    for seed in $SEEDS; do
        SIM_SEED=$seed "$work/host.right" "$k" "$work/$f.$name.ptx" >"$work/log.$seed" 2>&1
        rc=$?
        mistakes=$((mistakes + 1))
        if line "$f" "$name" "$words" "$work/log.$seed" "$rc" >"$work/line"; then
            noticed=$((noticed + 1))
        fi
        [ "$seed" = "${SEEDS%% *}" ] || grep -q MISSED "$work/line" && cat "$work/line"
    done
done <mistakes.txt

# misuses of the driver
while read -r name k _ words; do
    case $name in '' | '#'*) continue ;; esac
    [ -n "$ONLY" ] && [ "$ONLY" != "$name" ] && continue
    host "$name" "$name"
    f=stages
    [ "$k" = copies ] || f=$k
    for seed in $SEEDS; do
        SIM_SEED=$seed "$work/host.$name" "$k" "$work/$f.right.ptx" >"$work/log.$seed" 2>&1
        rc=$?
        misuses=$((misuses + 1))
        if line host "$name" "$words" "$work/log.$seed" "$rc" >"$work/line"; then
            told=$((told + 1))
        fi
        [ "$seed" = "${SEEDS%% *}" ] || grep -q MISSED "$work/line" && cat "$work/line"
    done
    rm -f "$work/host.$name"
done <misuses.txt

m=$(grep -vc '^#' mistakes.txt)
u=$(grep -vc '^#' misuses.txt)
n=$(wc -w <<<"$SEEDS")
echo "right: $((right - fails)) of $right runs; kernel mistakes: $m, noticed in $noticed of $mistakes runs;" \
    "driver misuses: $u, noticed in $told of $misuses runs; $n seeds"
[ -n "$ONLY" ] || { [ $mistakes = $((m * n)) ] && [ $misuses = $((u * n)) ]; } || exit 1
[ $fails = 0 ] && [ $others = 0 ] && [ $noticed = $mistakes ] && [ $told = $misuses ]
