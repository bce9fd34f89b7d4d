#!/bin/sh
# No leak and no invalid access over load, edit and unload, as valgrind sees it.
#   valgrind.sh PROGRAM TEST_DATA
# The tiny model is made still smaller: under valgrind a program is some hundred times slower.
set -eu
program=$1 data=$2
if ! command -v valgrind >/dev/null; then
    echo "valgrind is not installed: skipped"
    exit 77
fi
scene=$(mktemp -d)
trap 'rm -rf "$scene"' EXIT
cd "$scene"
export HF_HOME="$scene"

cp -rs "$data/tiny-edit/model" model
rm -f model/edit_config.json
echo '{"condition_area": 3136, "vae_area": 4096, "output_area": 4096}' >model/edit_config.json

# check WANTED_STATUS WORDS...: valgrind's own findings give status 9.
check() {
    expected=$1
    shift
    status=0
    valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect,possible \
        "$program" "$@" || status=$?
    [ "$status" -eq "$expected" ] || {
        echo "firered $1: status $status, not $expected" >&2
        exit 1
    }
}

# edit WANTED_STATUS FLAGS...
edit() {
    wanted=$1
    shift
    check "$wanted" edit --model model --image "$data/decode/rgb.png" --prompt "a red hat" --seed 1 --threads 2 \
        --output out.png --force "$@"
}

edit 0 --steps 1 --guidance-scale 4 --dtype float32
edit 0 --steps 2 --guidance-scale 1 --lora "$data/tiny-edit/lora_peft.safetensors:0.5"
check 0 info --model model
[ -s out.png ]

# What fails lets go of what it held, too.
edit 1 --image "$data/decode/bad-half.png"
edit 1 --lora "$data/tiny-edit/model/vae/diffusion_pytorch_model.safetensors"
rm model/vae/diffusion_pytorch_model.safetensors
head -c 1000000 "$data/tiny-edit/model/vae/diffusion_pytorch_model.safetensors" >model/vae/diffusion_pytorch_model.safetensors
edit 1
check 1 info --model model
