#!/usr/bin/env bash
# Do two builds make the same pictures, to the byte?
#
#   tools/compare_builds.sh OLD_BUILD NEW_BUILD        folders with a `firered` in them, such as build/release
#
# Runs the reference and demo cases with both: every dtype, every kernel table that this CPU has, adapters, several
# pictures, guidance, streamed weights, one thread and two. A change that is meant to keep results proves it by this.
# Ends with a count; exit status 1 when a picture differs, or an edit fails in one build only.
set -euo pipefail

[[ $# -eq 2 ]] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
builds=("$1/firered" "$2/firered")
for firered in "${builds[@]}"; do
    [[ -x $firered ]] || { echo "compare_builds: there is no $firered" >&2; exit 2; }
done
root=$(cd "$(dirname "$0")/.." && pwd)
data=$root/tests/data
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
same=0 different=0 refused=0

# edit_both NAME KERNELS FLAGS...: one edit by each build.
edit_both() {
    local name="$1 kernels=$2" kernels=$2 i status=()
    shift 2
    for i in 0 1; do
        status[i]=0
        FIRERED_KERNELS=$kernels "${builds[i]}" edit --force --output "$work/$i.png" "$@" \
            >"$work/$i.out" 2>"$work/$i.err" || status[i]=$?
    done
    if [[ ${status[0]} -ne ${status[1]} ]]; then
        different=$((different + 1))
        echo "DIFFERENT  $name: exit status ${status[0]} and ${status[1]}: $(tail -n 1 "$work/0.err" "$work/1.err")"
    elif [[ ${status[0]} -ne 0 ]]; then
        refused=$((refused + 1))
        echo "refused    $name: $(tail -n 1 "$work/1.err")"
    elif cmp -s "$work/0.png" "$work/1.png"; then
        same=$((same + 1))
    else
        different=$((different + 1))
        echo "DIFFERENT  $name"
    fi
}

# The kernel tables of this CPU: what a build refuses by name is not there.
tables=()
for table in generic avx2 avx512 avx512-vnni avx512-bf16; do
    FIRERED_KERNELS=$table "${builds[1]}" edit --model "$data/tiny-edit/model" --image "$data/tiny-edit/one-image-cfg/input0.png" \
        --prompt x --steps 1 --size 64x64 --force --output "$work/0.png" >/dev/null 2>&1 && tables+=("$table")
done
echo "kernels: ${tables[*]}"

tiny=$data/tiny-edit
sharded=$data/tiny-edit-bf16-sharded
for kernels in "${tables[@]}"; do
    for dtype in float32 bfloat16 int8; do
        run=("$kernels" --dtype "$dtype")
        edit_both "one-image-cfg $dtype" "${run[@]}" --model "$tiny/model" --image "$tiny/one-image-cfg/input0.png" \
            --prompt 'Add a red hat on the dog' --seed 42 --guidance-scale 4 --steps 3 --size 160x96
        edit_both "two-images $dtype" "${run[@]}" --model "$tiny/model" --image "$tiny/two-images-no-cfg/input0.png" \
            --image "$tiny/two-images-no-cfg/input1.png" --prompt 'Put Picture 1 into Picture 2' --seed 7 \
            --guidance-scale 1 --steps 2 --size 96x128
        edit_both "three-images $dtype" "${run[@]}" --model "$tiny/model" --image "$tiny/three-images-size/input0.png" \
            --image "$tiny/three-images-size/input1.png" --image "$tiny/three-images-size/input2.png" \
            --prompt 'All of them' --seed 9 --guidance-scale 3 --steps 2 --size 128x112 --threads 1
        edit_both "adapter $dtype" "${run[@]}" --model "$tiny/model" --image "$tiny/lora-0.7/input0.png" \
            --lora "$tiny/lora_peft.safetensors:0.7" --prompt 'Make it night' --seed 3 --guidance-scale 4 --steps 2 --size 96x96
        edit_both "bf16-sharded $dtype" "${run[@]}" --model "$sharded/model" --image "$sharded/bf16-zero-cond-t/input0.png" \
            --prompt 'make it black and white' --seed 5 --guidance-scale 4 --steps 3 --size 96x96
    done
done

# Limits under which some of the tiny model's blocks stream.
declare -A limit=([float32]=17M [bfloat16]=15M [int8]=15M)
for dtype in "${!limit[@]}"; do
    for adapter in '' "$tiny/lora_kohya.safetensors:1.0"; do
        edit_both "streamed $dtype ${adapter:+adapter}" "" --dtype "$dtype" --memory-limit "${limit[$dtype]}" --model "$tiny/model" \
            --image "$tiny/one-image-cfg/input0.png" --prompt 'Add a hat' --seed 4 --guidance-scale 4 --steps 2 --size 96x96 \
            ${adapter:+--lora "$adapter"}
    done
done

for kernels in '' avx2 avx512; do
    for dtype in float32 bfloat16; do
        [[ -z $kernels || " ${tables[*]} " == *" $kernels "* ]] || continue
        edit_both "demo cat $dtype" "$kernels" --dtype "$dtype" --model demo --image "$root/examples/cat.jpg" \
            --prompt 'make it black and white' --seed 1 --steps 2 --size 256x256
    done
done
edit_both "demo coffee" "" --model demo --image "$root/examples/coffee.jpg" --prompt 'put a yellow frame around it' --seed 1
edit_both "demo rocket streamed" "" --model demo --image "$root/examples/rocket.jpg" --prompt 'cover it in fog' --seed 1 \
    --memory-limit 110M --steps 2

echo "$same pictures the same to the byte, $different different, $refused refused by both"
[[ $different -eq 0 && $same -gt 0 ]]
