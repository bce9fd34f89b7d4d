#!/usr/bin/env python3
"""How fast `firered serve` gets ready from a cold disk, beside a plain read of the same files.

usage: tools/bench/load_speed.py [--gb N] [--runs R] [--dtype T] [--threads N] [--firered PROGRAM] [--keep]

Makes a model of N GB (4) in build/load_speed: blocks of the published width (3072) in shards of 2 GB, stored in bfloat16, on
the small parts of tests/data/tiny-edit. Each run drops its files from the page cache and reads them as `dd bs=4M` does, drops
them again and starts the server. One line a run: the plain read, the time until the weights are packed, until /ready, the
peak of resident memory beside the packed weights, and the share of the disk's speed that loading had. Python's own library
is all that it needs. The memory must hold the model; what else runs on the machine slows down both.
"""
import argparse
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TINY = os.path.join(ROOT, "tests/data/tiny-edit/model")
HEAD, TEXT, CHANNELS, TIME, WIDTH = 64, 128, 64, 256, 3072
SHARD_BYTES = 2_000_000_000
LOW = bytes((0x3C, 0xBC, 0x3B, 0xBB)[i & 3] for i in range(256))  # upper halves of bfloat16 numbers of about 0.01


def linear(name, out, into):
    return [(name + ".weight", (out, into)), (name + ".bias", (out,))]


def tensors(blocks):
    """Names and shapes, in the order in which diffusers stores them."""
    n, out = WIDTH, []
    out += linear("time_text_embed.timestep_embedder.linear_1", n, TIME)
    out += linear("time_text_embed.timestep_embedder.linear_2", n, n)
    out += [("txt_norm.weight", (TEXT,))] + linear("img_in", n, CHANNELS) + linear("txt_in", n, TEXT)
    for i in range(blocks):
        block = f"transformer_blocks.{i}."
        for layer, a, b in (("img_mod.1", 6, 1), ("txt_mod.1", 6, 1), ("attn.to_q", 1, 1), ("attn.to_k", 1, 1),
                            ("attn.to_v", 1, 1), ("attn.to_out.0", 1, 1), ("attn.add_q_proj", 1, 1),
                            ("attn.add_k_proj", 1, 1), ("attn.add_v_proj", 1, 1), ("attn.to_add_out", 1, 1),
                            ("img_mlp.net.0.proj", 4, 1), ("img_mlp.net.2", 1, 4), ("txt_mlp.net.0.proj", 4, 1),
                            ("txt_mlp.net.2", 1, 4)):
            out += linear(block + layer, a * n, b * n)
        out += [(f"{block}attn.{norm}.weight", (HEAD,)) for norm in ("norm_q", "norm_k", "norm_added_q", "norm_added_k")]
    return out + linear("norm_out.linear", 2 * n, n) + linear("proj_out", CHANNELS, n)


def size_of(shape):
    count = 2
    for side in shape:
        count *= side
    return count


def numbers(shape, noise):
    """A piece of the noise, from anywhere; a norm's weights are ones."""
    size = size_of(shape)
    if shape in ((HEAD,), (TEXT,)):
        return [b"\x80\x3f" * (size // 2)]
    pieces = []
    while size:
        at = random.randrange(0, len(noise) // 2, 2)
        pieces.append(noise[at:at + min(size, len(noise) - at)])
        size -= len(pieces[-1])
    return pieces


def write_shard(path, part, noise):
    header, at = {}, 0
    for name, shape in part:
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size_of(shape)]}
        at += size_of(shape)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, shape in part:
            f.writelines(numbers(shape, noise))
        f.flush()
        os.fsync(f.fileno())


def make(folder, gb):
    random.seed(22)
    half = 16 << 20
    noise = bytearray(2 * half)
    noise[0::2] = random.randbytes(half)
    noise[1::2] = random.randbytes(half).translate(LOW)
    noise = bytes(noise)
    shutil.copytree(TINY, folder)
    transformer = os.path.join(folder, "transformer")
    os.unlink(os.path.join(transformer, "diffusion_pytorch_model.safetensors"))
    blocks = max(1, round(gb * 1e9 / (72 * WIDTH * WIDTH)))
    config = json.load(open(os.path.join(transformer, "config.json")))
    config.update(num_attention_heads=WIDTH // HEAD, num_layers=blocks)
    json.dump(config, open(os.path.join(transformer, "config.json"), "w"))

    parts, size = [[]], 0
    for tensor in tensors(blocks):
        if size + size_of(tensor[1]) > SHARD_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(tensor)
        size += size_of(tensor[1])
    index = {"metadata": {}, "weight_map": {}}
    for i, part in enumerate(parts):
        name = f"diffusion_pytorch_model-{i + 1:05d}-of-{len(parts):05d}.safetensors"
        write_shard(os.path.join(transformer, name), part, noise)
        index["weight_map"].update({tensor: name for tensor, _ in part})
    json.dump(index, open(os.path.join(transformer, "diffusion_pytorch_model.safetensors.index.json"), "w"))


def files(folder):
    return [os.path.join(base, name) for base, _, names in os.walk(folder) for name in sorted(names)]


def drop(folder):
    for path in files(folder):
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def read_plainly(folder):
    begin = time.monotonic()
    for path in files(folder):
        subprocess.run(["dd", "if=" + path, "of=/dev/null", "bs=4M", "status=none"], check=True)
    return time.monotonic() - begin


def serve(args, folder):
    """The event `ready`, and the seconds from the start to it."""
    words = [args.firered, "serve", "--port", "0", "--host", "127.0.0.1", "--log-format", "json"]
    words += ["--model", folder, "--dtype", args.dtype, "--threads", str(args.threads)]
    begin = time.monotonic()
    server = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    ready = None
    for line in server.stderr:
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("event") == "ready":
            ready = event
            break
    seconds = time.monotonic() - begin
    server.send_signal(signal.SIGTERM)
    server.stderr.read()
    if server.wait() != 0 or not ready:
        sys.exit("firered serve did not get ready")
    return ready, seconds


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--gb", type=float, default=4)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--dtype", default="auto")
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--firered", default=os.path.join(ROOT, "build/release/firered"))
    p.add_argument("--keep", action="store_true", help="the model, for the next time")
    args = p.parse_args()
    folder = os.path.join(ROOT, "build/load_speed", f"model-{args.gb:g}")
    if not os.path.exists(os.path.join(folder, "transformer/diffusion_pytorch_model.safetensors.index.json")):
        shutil.rmtree(folder, ignore_errors=True)
        make(folder, args.gb)
    size = sum(os.path.getsize(path) for path in files(folder))
    print("| GB | plain read | weights packed | /ready | peak beside the weights | of the disk's speed |")
    print("|---:|---:|---:|---:|---:|---:|")
    for _ in range(args.runs):
        drop(folder)
        plain = read_plainly(folder)
        drop(folder)
        ready, seconds = serve(args, folder)
        beside = ready["peak_bytes"] - ready["weight_bytes"]
        print(f"| {size / 1e9:.2f} | {plain:.1f} s, {size / 1e6 / plain:.0f} MB/s | {ready['load_seconds']:.1f} s | "
              f"{seconds:.1f} s | {beside / 1e6:.0f} MB | {100 * plain / ready['load_seconds']:.0f} % |", flush=True)
    if not args.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
