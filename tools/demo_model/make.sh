#!/bin/bash
# From nothing to weights: data, VAE, text encoder, transformer, export, evaluation list.
# About two hours on one core with AVX-512; every step can be run again alone. Run in a folder of its own.
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
run train_vae --out ckpt/vae.pt --cpu-minutes 75
run train_text --out ckpt/text.pt --cpu-minutes 26
run transformer --out ckpt/edit.pt
run export --edit ckpt/edit.pt --vae ckpt/vae.pt --out model
run make_eval --out eval
