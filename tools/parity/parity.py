#!/usr/bin/env python3
"""The same edits by diffusers and by firered, side by side, tensor by tensor.

    tools/parity/parity.py [--dtype D] [--blocks] [--recorded] --model FOLDER CASE...

Called by parity.sh, which prepares everything. A CASE is a folder with case.json and its pictures, as in tests/data:
images, prompt, negative_prompt, seed, steps, guidance_scale, and width and height or neither. For each it prints how far
each stage is off (the length of the difference over the length of the reference), the first tensor that is off by more
than --tolerance, and how near the pictures are, in dB: what a report of a wrong picture should carry.

--recorded compares with the case's own trace.safetensors and output.png in place of diffusers, and needs neither torch nor
weights other than the small ones in tests/data. --blocks also compares what is between the blocks of the networks. Both
programs hold the model, one after the other. --keep FOLDER keeps what they wrote.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

import numpy
from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# In the order in which an edit computes them: the first that is off is where to look.
STAGES = [
    ("tokens", ("*.input_ids", "*.position_ids")),
    ("picture for the text encoder", ("image_grid_thw", "pixel_values")),
    ("vision tower", ("*.vision_embeds",)),
    ("language model", ("*.hidden.*", "*prompt_embeds")),
    ("VAE encode", ("vae_input*", "vae_mean*")),
    ("noise and schedule", ("noise", "packed_input", "sigmas", "timesteps")),
    ("transformer, first step", ("step0.*",)),
    ("later steps", ("step*",)),
    ("VAE decode", ("vae_decode_*",)),
]
TYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "U8": "u1", "F16": "<f2"}


def read_trace(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
        header.pop("__metadata__", None)
        trace = {}
        for name, t in header.items():
            begin, end = t["data_offsets"]
            file.seek(start + begin)
            raw = file.read(end - begin)
            if t["dtype"] == "BF16":
                values = (numpy.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
            else:
                values = numpy.frombuffer(raw, TYPES[t["dtype"]])
            trace[name] = values
    return trace


def stage_of(name):
    for i, (_, patterns) in enumerate(STAGES):
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return i
    return len(STAGES) - 1


def order_of(name):
    """Stage, then the numbers in the name, so that step 2 comes before step 10."""
    digits = "".join(c if c.isdigit() else " " for c in name).split()
    return stage_of(name), [int(d) for d in digits[:2]], name


def off_by(ours, reference, name):
    """0: equal; None: not of the same size."""
    if ours.size != reference.size:
        return None
    ours, reference = ours.astype("f8").ravel(), reference.astype("f8").ravel()
    if name == "timesteps" and abs(reference).max() > 1 >= abs(ours).max():
        reference = reference / 1000
    length = numpy.linalg.norm(reference)
    return float(numpy.linalg.norm(ours - reference) / (length if length else 1))


def decibels(ours, reference):
    a, b = (numpy.asarray(Image.open(p).convert("RGB"), "f8") for p in (ours, reference))
    if a.shape != b.shape:
        return None, f"{a.shape[1]}x{a.shape[0]} and {b.shape[1]}x{b.shape[0]}"
    error = ((a - b) ** 2).mean()
    return (float("inf") if error == 0 else 10 * numpy.log10(255 ** 2 / error)), f"{int(abs(a - b).max())} of 255 at most"


def compare(ours, reference, tolerance):
    """Prints a line a stage; returns the first tensor that is off, or None."""
    first, worst = None, {}
    for name in sorted(set(ours) & set(reference), key=order_of):
        off = off_by(ours[name], reference[name], name)
        stage = STAGES[stage_of(name)][0]
        if off is None:
            text = f"{name} has {ours[name].size} elements, the reference {reference[name].size}"
        else:
            text = f"{name} is off by {off:.2e} of its length"
            if off >= worst.get(stage, (-1, ""))[0]:
                worst[stage] = off, name
        if first is None and (off is None or not off <= tolerance):
            first = text
    for stage, _ in STAGES:
        if stage in worst:
            print(f"  {stage:30} {worst[stage][0]:.2e}  at most, {worst[stage][1]}")
    if not worst:
        first = first or "nothing: the two have no tensor in common"
    return first


def run_firered(args, case, out):
    command = [str(args.trace), "--dtype", args.dtype] + (["--blocks"] if args.blocks else [])
    subprocess.run(command + [str(args.model), str(case / "case.json"), str(out)], check=True)
    return read_trace(out / "trace.safetensors"), out / "output.png"


def run_reference(args, case, out):
    if args.recorded:
        return read_trace(case / "trace.safetensors"), case / "output.png"
    command = [sys.executable, str(HERE / "reference.py"), "--dtype", args.dtype]
    subprocess.run(command + (["--blocks"] if args.blocks else []) + [str(args.model), str(case), str(out)], check=True)
    with numpy.load(out / "trace.npz") as file:
        return {name: file[name] for name in file.files}, out / "output.png"


def run_case(args, case, folder):
    for name in ("firered", "reference"):
        os.makedirs(folder / case.name / name, exist_ok=True)
    print(f"{case.name}: {json.loads((case / 'case.json').read_text())['prompt']!r}, {args.dtype}", flush=True)
    ours, picture = run_firered(args, case, folder / case.name / "firered")
    reference, other = run_reference(args, case, folder / case.name / "reference")
    first = compare(ours, reference, args.tolerance)
    near, most = decibels(picture, other)
    print(f"  {'picture':30} " + ("other sizes: " if near is None else f"{near:.1f} dB, ") + most)
    print("  first off: " + (first or f"nothing above {args.tolerance:.0e}"), flush=True)
    return first is None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--tolerance", type=float, help="default: 2e-3 in float32, 5e-2 in bfloat16")
    parser.add_argument("--blocks", action="store_true")
    parser.add_argument("--recorded", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--trace", type=Path, default=ROOT / "build/release/tools/parity/parity_trace")
    parser.add_argument("case", nargs="+", type=Path)
    args = parser.parse_args()
    if args.tolerance is None:
        args.tolerance = 2e-3 if args.dtype == "float32" else 5e-2
    with tempfile.TemporaryDirectory() as scratch:
        good = [run_case(args, case, args.keep or Path(scratch)) for case in args.case]
    print(f"{sum(good)} of {len(good)} without a tensor that is off")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
