#!/bin/bash
# From nothing to weights: data, VAE, colours and tone, compiled geometry, all edits, export, evaluation list.
# About four hours on one core with AVX-512; every step can be run again alone. Run in a folder of its own.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH=$here MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 MALLOC_TOP_PAD_=268435456 # no page faults in every step
python3 -m venv venv
./venv/bin/pip install -q -r "$here/requirements.txt"
run() { ./venv/bin/python -u "$here/$1.py" "${@:2}"; }
mkdir -p ckpt
PATH=$PWD/venv/bin:$PATH bash "$here/get_data.sh"
run prepare_data
./venv/bin/python -c "import models; models.build_tokenizer('ckpt/tokenizer')"
run train_vae --out ckpt/vae.pt --cpu-minutes 90
run train_edit --out ckpt/colors.pt --cpu-minutes 80 --weights mirror=0,flip=0,rotate=0,border=0,shape=0 --lr 7e-3 --adam-lr 1.2e-3 --hold 0.7 --end 0.2
run compile_geometry --resume ckpt/colors.pt --out ckpt/geometry.pt
run train_edit --resume ckpt/geometry.pt --out ckpt/edit.pt --cpu-minutes 60 --lr 2e-3 --adam-lr 5e-4
run export --edit ckpt/edit.pt --vae ckpt/vae.pt --out model
run make_eval --out eval
