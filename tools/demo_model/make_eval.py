"""Write the evaluation that `firered eval` runs: held-out photographs, wordings that training never saw, true results.

    make_eval.py --out eval        # eval/list.tsv and the pictures it names
    firered eval --model models/demo --list eval/list.tsv

Every photograph of a size gets every edit, so that each result has the true results of all other edits as rivals.
"""
import argparse
import os
import random

import numpy as np
import torch
from PIL import Image

import edits
import sentences
from photos import Photos

# photographs at each size (width x height)
SIZES = {"256x256": 3, "512x512": 2, "384x256": 2, "256x384": 2}


def save(x, path):
    Image.fromarray((x.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()).save(path)


def scene(photo, height, width):
    """The middle of a photograph, as large as fits, at this size."""
    level = max(photo["pyr"], key=lambda p: p.shape[1])
    picture = Image.fromarray(level.permute(1, 2, 0).numpy())
    share = min(picture.width / width, picture.height / height)
    w, h = share * width, share * height
    x, y = (picture.width - w) / 2, (picture.height - h) / 2
    picture = picture.resize((width, height), Image.LANCZOS, box=(x, y, x + w, y + h))
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data")
    parser.add_argument("--out", default="eval")
    parser.add_argument("--sizes", default=",".join(SIZES))
    args = parser.parse_args()
    rng, wordings = random.Random(4), {}
    for name, sentence in sentences.held_out():
        wordings.setdefault(name, []).append(sentence)
    for texts in wordings.values():
        rng.shuffle(texts)
    held = [p for p in Photos(args.data, True).photos if min(p["pyr"][0].shape[1:]) >= 500]
    rng.shuffle(held)
    os.makedirs(args.out, exist_ok=True)
    lines, used = ["# picture, prompt, expected picture, class; written by tools/demo_model/make_eval.py"], 0
    for size in args.sizes.split(","):
        width, height = map(int, size.split("x"))
        for number in range(SIZES[size]):
            source = scene(held[used % len(held)], height, width)
            name = f"{size}-{number}"
            save(source, f"{args.out}/{name}.png")
            for kind, texts in wordings.items():
                expected = f"{name}-{kind.replace(':', '-').replace(' ', '-')}.png"
                save(edits.apply(kind, source), f"{args.out}/{expected}")
                lines.append("\t".join([f"{name}.png", texts[used % len(texts)], expected, kind.replace(" ", "-")]))
            used += 1
    with open(args.out + "/list.tsv", "w") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
