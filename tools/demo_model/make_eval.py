"""Write the evaluation that `firered eval` runs: held-out photographs, wordings that training never saw, true results.

    make_eval.py --out eval        # eval/list.tsv and the pictures it names
    firered eval --model models/demo eval/list.tsv

Every photograph of a size gets every edit, so that each result has the true results of all other edits as rivals.
"""
import argparse
import os
import random

import numpy as np
import torch
from PIL import Image

import edits
from photos import Photos

# photographs at each size (width x height)
SIZES = {"256x256": 3, "512x512": 2, "384x256": 1, "256x384": 1}
PROMPTS = {
    "keep": ["please leave my photograph exactly how it was", "I like it already, change nothing at all", "hand the picture back untouched"],
    "gray": ["could this be in black and white instead?", "get rid of all the colours in my photo", "I'd love a monochrome version of this"],
    "invert": ["swap every colour for its opposite", "I want to see the photographic negative", "show this with all colors inverted please"],
    "sepia": ["make it resemble a sepia photograph from long ago", "give this an old vintage brown tone", "apply some sepia toning"],
    "brighter": ["this is too dark, brighten it", "turn the brightness of my photo up", "make this picture a good deal brighter"],
    "darker": ["tone the brightness down, it is too bright", "I want this picture darker", "could you dim the whole photo?"],
    "warm": ["give the photo warmer colors", "I would like the picture to look warmer", "add a bit of warmth to the colours"],
    "cool": ["I would like cooler, colder colors", "make the mood of the photo cold", "shift the photo to a cooler tone"],
    "red": ["can we have the picture tinted red?", "everything should have a red tint", "put a red filter over the photo"],
    "green": ["a green tint over my photo, please", "I want the whole picture tinted green", "put a green filter over it"],
    "blue": ["I want it tinted blue", "put a blue filter over my picture", "everything with a blue tint please"],
    "purple": ["tint the picture purple please", "a purple filter over the photo", "my picture with a purple tint"],
    "yellow": ["my picture with a yellow tint", "I want the photograph tinted yellow", "put a yellow filter over it"],
    "pink": ["I want the photo tinted pink", "put a pink filter over my picture", "give it a pink tint please"],
    "contrast": ["give the photo a lot more contrast", "crank the contrast up", "the contrast should be higher"],
    "fade": ["take away some of the contrast", "I want lower contrast, kind of faded", "make the picture look washed out and faded"],
    "saturate": ["I want much more saturated colours", "make all the colors more vivid", "boost the colour saturation a lot"],
    "night": ["change the daytime into night", "make it look like the photo was taken at night", "I want this scene at nighttime"],
    "sunset": ["make it look like it was taken at sunset", "give it the light of a sunset", "turn this into a sunset picture"],
    "fog": ["fill my picture with thick fog", "make it a foggy, misty scene", "put some fog over everything"],
    "blur": ["I want my photo blurred", "make the whole picture blurry", "apply a strong gaussian blur to it"],
    "pixelate": ["I would like my picture pixelated", "turn the photo into a mosaic of big pixels", "make it look pixelated"],
    "posterize": ["I would like my photo posterized", "reduce the picture to only a few colors", "make it look posterized like a poster"],
    "mirror": ["I want my photo flipped horizontally", "the picture should be mirrored from left to right", "swap the left and the right side"],
    "flip": ["my photo should be upside down", "I want the picture flipped vertically", "put the whole thing upside down please"],
    "rotate": ["I want my photo rotated by 180 degrees", "turn the picture 180 degrees", "make it rotate by half a turn please"],
    "border:white": ["put a white border around my photo", "frame the picture in white", "add a white frame to this"],
    "border:black": ["put a black border around my photo", "frame the picture in black", "add a black frame to this"],
    "shape:circle:red:middle": ["draw a red circle in the middle", "put a red circle in the center of my photo", "add a red disc in the middle"],
    "shape:circle:blue:top left": ["draw a blue circle in the top left corner", "put a blue circle at the top left", "a blue circle in the upper left please"],
    "shape:square:green:bottom right": ["draw a green square in the bottom right corner", "put a green square at the bottom right", "a green square in the lower right please"],
    "shape:square:yellow:middle": ["draw a yellow square in the middle", "put a yellow square in the center of my photo", "add a yellow box in the middle"],
    "shape:circle:green:top right": ["draw a green circle in the top right corner", "put a green circle at the top right", "a green circle in the upper right please"],
}


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
    known = {text.replace("{o}", o) for texts in edits.PHRASES.values() for text in texts for o in edits.OBJECTS}
    assert not known.intersection(p.lower() for prompts in PROMPTS.values() for p in prompts), "a wording was trained on"
    held = [p for p in Photos(args.data, True).photos if min(p["pyr"][0].shape[1:]) >= 500]
    random.Random(4).shuffle(held)
    os.makedirs(args.out, exist_ok=True)
    lines, used = ["# picture, prompt, expected picture, class; written by tools/demo_model/make_eval.py"], 0
    for size in args.sizes.split(","):
        width, height = map(int, size.split("x"))
        for number in range(SIZES[size]):
            source = scene(held[used % len(held)], height, width)
            used += 1
            name = f"{size}-{number}"
            save(source, f"{args.out}/{name}.png")
            for kind, prompts in PROMPTS.items():
                expected = f"{name}-{kind.replace(':', '-').replace(' ', '-')}.png"
                save(edits.apply(kind, source), f"{args.out}/{expected}")
                lines.append("\t".join([f"{name}.png", prompts[(used + number) % len(prompts)], expected, kind.replace(" ", "-")]))
    with open(args.out + "/list.tsv", "w") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
