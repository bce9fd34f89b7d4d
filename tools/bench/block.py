#!/usr/bin/env python3
"""One whole block of the transformer at its published width, by diffusers and by firered, on one thread.

usage: block.py [--firered build/release/firered] [--runs N] [--dtypes bfloat16,float32,int8] FOLDER

What 60 blocks are made of: 24 heads of 128, the picture's stream and the prompt's. diffusers' block is called by itself, with
as many tokens as an edit of 512x512 has with a reference of the same size. Of firered a model with two blocks and one with
three (made in FOLDER, 4 GB, by make_bench_model.py) run one step and two, and what the third block adds to the second step is
a whole block: the last block of a model works on the noise alone. Seconds are the processor's, so that other work on the
machine counts little; the best of the runs counts.
"""
import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time

HEADS, HEAD, PICTURE, PROMPT = 24, 128, 2048, 256


def of_diffusers(dtype, runs):
    import torch
    from diffusers.models.transformers.transformer_qwenimage import QwenEmbedRope, QwenImageTransformerBlock
    width, kind = HEADS * HEAD, getattr(torch, dtype)
    block = QwenImageTransformerBlock(dim=width, num_attention_heads=HEADS, attention_head_dim=HEAD).to(kind).eval()
    rope = QwenEmbedRope(theta=10000, axes_dim=[16, 56, 56], scale_rope=True)
    shapes = [[(1, 32, 32), (1, 32, 32)]]
    angles = rope(shapes, max_txt_seq_len=PROMPT, device=torch.device("cpu"))
    args = dict(hidden_states=torch.randn(1, PICTURE, width, dtype=kind),
                encoder_hidden_states=torch.randn(1, PROMPT, width, dtype=kind), encoder_hidden_states_mask=None,
                temb=torch.randn(1, width, dtype=kind), image_rotary_emb=angles)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(runs + 1):  # the first warms up
            start = time.process_time()
            block(**args)
            best = min(best, time.process_time() - start)
    return best


def work_of(args, folder, dtype, steps):
    """GFLOP of an edit's denoising, and the processor's seconds for all of it."""
    best = float("inf")
    for _ in range(args.runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        text = subprocess.run([args.firered, "bench", "--model", folder, "--size", "512", "--steps", str(steps), "--threads",
                               "1", "--dtype", dtype], check=True, stdout=subprocess.PIPE, text=True).stdout
        best = min(best, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    return float(re.search(r"^denoise +[0-9.]+ +([0-9.]+)", text, re.MULTILINE)[1]), best


def step_of_firered(args, folder, dtype):
    (one_work, one), (two_work, two) = (work_of(args, folder, dtype, steps) for steps in (1, 2))
    return two_work - one_work, two - one


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--firered", default="build/release/firered")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dtypes", default="bfloat16,float32,int8")
    args = parser.parse_args()
    maker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "make_bench_model.py")
    models = [os.path.join(args.folder, f"{blocks}-blocks") for blocks in (2, 3)]
    for blocks, model in zip((2, 3), models):
        if not os.path.exists(os.path.join(model, "edit_config.json")):
            subprocess.run([sys.executable, maker, model, "--blocks", str(blocks), "--heads", str(HEADS)], check=True)
    import torch
    torch.set_num_threads(1)
    for dtype in args.dtypes.split(","):
        if dtype != "int8":
            print(f"diffusers, {dtype}: {of_diffusers(dtype, args.runs):.2f} s", flush=True)
        (work_of_two, two), (work_of_three, three) = (step_of_firered(args, m, dtype) for m in models)
        seconds, work = three - two, work_of_three - work_of_two
        print(f"firered, {dtype}: {seconds:.2f} s, {work:.0f} GFLOP, {work / seconds:.0f} GFLOP/s", flush=True)


if __name__ == "__main__":
    main()
