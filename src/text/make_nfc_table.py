"""Writes nfc_table.h: the ranges outside of which the reference tokenizer's normalizer leaves every character alone.

  python make_nfc_table.py > nfc_table.h        (needs: the package tokenizers, 0.23 for its Unicode 9)

A range may hold characters that do nothing, if they were assigned with no effect by the time of Python's own Unicode data:
Unicode's stability policy then keeps them so.
"""
import unicodedata

from tokenizers import normalizers

nfc, nfd = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str
points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def decomposition(c):
    d = unicodedata.normalize("NFD", chr(c))
    return d if d != chr(c) else ""


known, ours = set(), set()  # with an effect: for the reference, for Python
for c in points:
    d = decomposition(c)
    marks = unicodedata.combining(chr(c)) != 0
    if not d and not marks:
        continue
    ours |= {c} | {ord(x) for x in d}
    if d and nfd(chr(c)) == d:
        known |= {c} | {ord(x) for x in d}
    if c == 0x345 or marks and nfd("a\u0345" + chr(c)) == "a" + chr(c) + "\u0345":
        known.add(c)

ranges, start, last = [], None, None
for c in points:
    if c in known:
        start, last = (c if start is None else start), c
    elif start is not None and (c in ours or unicodedata.category(chr(c)) in ("Cn", "Co")):
        ranges.append((start, last))
        start = None
if start is not None:
    ranges.append((start, last))

print("/* Written by make_nfc_table.py: what Unicode 9's normalization forms touch. */")
row = ""
for first, last in ranges:
    item = f"{{0x{first:x}, 0x{last:x}}},"
    if len(row) + len(item) + 1 > 100:
        print(row)
        row = ""
    row += (" " if row else "") + item
print(row)
