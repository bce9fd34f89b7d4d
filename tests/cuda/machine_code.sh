#!/usr/bin/env bash
# What ptxas made of the kernels, for each chip: none spills or keeps an array in memory, and each fits as often as it is meant to
# (registers x threads within a multiprocessor's 65536).  With a disassembler (nvdisasm): the tensor cores' instructions and the
# asynchronous copies are there, and nothing goes by way of local memory.
#
#   machine_code.sh BUILD       BUILD: build/release
#
# A line a chip; exit 0: all as it should be.
set -euo pipefail
folder=$1/src/compute/cuda/kernels
failed=0
for chip in sm_80 sm_86 sm_89 sm_90 sm_100 sm_120; do
    awk -v chip="$chip" '
        /Compiling entry function/ { split($0, part, "\047"); kernel = part[2]; kernels++ }
        /bytes stack frame/ && $0 !~ /^ *0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads/ {
            print "FAILED: " kernel " on " chip ": " $0; bad = 1
        }
        /Used [0-9]+ registers/ {
            match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5) + 0
            threads = kernel == "gemm_bf16_small" ? 128 : 256
            blocks = kernel == "gemm_bf16_small" ? 4 : kernel ~ /^attention_[0-9]/ ? 1 : 2
            per_warp = int((registers + 7) / 8) * 8 * 32
            if (per_warp * threads / 32 * blocks > 65536) {
                print "FAILED: " kernel " on " chip ": " registers " registers, " blocks " blocks of " threads " threads"; bad = 1
            }
            if (registers > most) { most = registers; of = kernel }
        }
        END { print chip ": " kernels " kernels, at most " most " registers (" of ")"; exit bad || kernels < 40 }
    ' "$folder/$chip.txt" || failed=1
    command -v nvdisasm >/dev/null || continue
    code=$(nvdisasm -c "$folder/$chip.cubin")
    for word in HMMA IMMA LDSM LDGSTS; do
        grep -qw "$word" <<<"${code//./ }" || { echo "FAILED: no $word on $chip"; failed=1; }
    done
    ! grep -qwE 'LDL|STL' <<<"${code//./ }" || { echo "FAILED: local memory on $chip"; failed=1; }
done
command -v nvdisasm >/dev/null || echo "skipped: HMMA, IMMA, LDSM, LDGSTS, LDL and STL: no nvdisasm here"
exit $failed
