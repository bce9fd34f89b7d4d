#!/usr/bin/env python3
"""The same edit by diffusers and by firered, in turn: same weights, picture, prompt, size, steps and threads.

Called by compare.sh, which prepares everything. Each edit runs in a process of its own, so that its peak memory is its
own; `--child` is such a process for diffusers. The picture is the one that `firered bench` makes.
"""
import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time

PHASES = ["load", "text and vision", "VAE encode", "a forward pass", "VAE decode", "edit"]
PROMPT = "make it night"


def make_picture(side):
    import numpy
    from PIL import Image
    y, x = numpy.mgrid[0:side, 0:side]
    rgb = numpy.stack([x * 255 // side, y * 255 // side, (x // 32 + y // 32) % 2 * 128 + 64], axis=-1)
    return Image.fromarray(rgb.astype("uint8"))


def timed(seconds, calls, name, function):
    def call(*args, **kwargs):
        start = time.monotonic()
        result = function(*args, **kwargs)
        seconds[name] = seconds.get(name, 0.0) + time.monotonic() - start
        calls[name] = calls.get(name, 0) + 1
        return result
    return call


def child(args):
    """One edit by diffusers; prints its costs as JSON."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from diffusers import QwenImageEditPlusPipeline
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as module
    torch.set_num_threads(args.threads)
    module.VAE_IMAGE_SIZE = args.size * args.size  # as edit_config.json says it to firered
    start = time.monotonic()
    pipe = QwenImageEditPlusPipeline.from_pretrained(args.model, torch_dtype=getattr(torch, args.child))
    pipe.set_progress_bar_config(disable=True)
    seconds, calls = {"load": time.monotonic() - start}, {}
    pipe.encode_prompt = timed(seconds, calls, "text and vision", pipe.encode_prompt)
    pipe.vae.encode = timed(seconds, calls, "VAE encode", pipe.vae.encode)
    pipe.vae.decode = timed(seconds, calls, "VAE decode", pipe.vae.decode)
    pipe.transformer.forward = timed(seconds, calls, "a forward pass", pipe.transformer.forward)
    start = time.monotonic()
    pipe(image=[make_picture(args.size)], prompt=PROMPT, negative_prompt=" ", true_cfg_scale=args.guidance_scale,
         num_inference_steps=args.steps, width=args.size, height=args.size,
         generator=torch.Generator().manual_seed(0))
    seconds["edit"] = time.monotonic() - start
    seconds["a forward pass"] /= calls["a forward pass"]
    seconds["MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    json.dump(seconds, sys.stdout)


def run_diffusers(args, dtype):
    command = [sys.executable, __file__, "--child", dtype, "--model", args.model, "--size", str(args.size), "--steps",
               str(args.steps), "--threads", str(args.threads), "--guidance-scale", str(args.guidance_scale)]
    env = dict(os.environ)
    if env.get("FIRERED_KERNELS") == "avx2":  # the same for torch's own kernels, oneDNN and MKL
        env.update(ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2", MKL_ENABLE_INSTRUCTIONS="AVX2")
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=env).stdout)


def run_firered(args, dtype):
    """Reads the table that `firered bench` prints."""
    command = [args.firered, "bench", "--model", args.model, "--size", str(args.size), "--steps", str(args.steps),
               "--threads", str(args.threads), "--guidance-scale", str(args.guidance_scale), "--dtype", dtype]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    took = {m[1]: float(m[2]) for m in re.finditer(r"^(\S+(?: \S+)*) +([0-9.]+)", text, re.MULTILINE)}
    passes = args.steps * (2 if args.guidance_scale > 1 else 1)
    return {"load": took["load"], "text and vision": took["vision tower"] + took["language model"],
            "VAE encode": took["VAE encode"], "a forward pass": took["denoise"] / passes,
            "VAE decode": took["VAE decode"], "edit": took["edit"],
            "MB": float(re.search(r"peak resident ([0-9.]+) MB", text)[1])}


def machine():
    """CPU model and the instruction sets that matter here."""
    model, flags = "unknown CPU", []
    with open("/proc/cpuinfo") as f:
        for line in f:
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                model = value.strip()
            if name.strip() in ("flags", "Features"):
                flags = value.split()
    known = ["avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16"]
    return f"{model}, {os.cpu_count()} cores; {' '.join(s for s in known if s in flags)}"


def print_table(args, rows):
    kernels = os.environ.get("FIRERED_KERNELS")
    print(f"\n{machine()}" + (f"; held to {kernels}" if kernels else ""))
    print(f"{args.size}x{args.size}, one picture, {args.steps} steps, guidance {args.guidance_scale:g}, "
          f"{args.threads} threads; seconds\n")
    head = ["", *PHASES, "peak MB", "edit, x faster"]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    first = rows[0][1]
    for name, cost in rows:
        print("| " + " | ".join([name, *(f"{cost[p]:.2f}" for p in PHASES), f"{cost['MB']:.0f}",
                                 f"{first['edit'] / cost['edit']:.2f}"]) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--firered")
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=4, help="2 or more: diffusers' schedule of one step divides by zero")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--guidance-scale", type=float, default=1.0)
    parser.add_argument("--peers", default="float32,bfloat16", help="dtypes that diffusers runs in")
    parser.add_argument("--child")
    args = parser.parse_args()
    if args.steps < 2:
        parser.error("--steps: 2 or more")
    if args.child:
        return child(args)
    rows = []
    for dtype in filter(None, args.peers.split(",")):
        print(f"diffusers, {dtype} ...", file=sys.stderr)
        rows.append((f"diffusers, {dtype}", run_diffusers(args, dtype)))
    for dtype in ["float32", "bfloat16", "int8"]:
        print(f"firered, {dtype} ...", file=sys.stderr)
        rows.append((f"firered, {dtype}", run_firered(args, dtype)))
    print_table(args, rows)


if __name__ == "__main__":
    main()
