"""Writes char_table.h: the ranges of letters, numbers and white space, as the reference tokenizer's regular expressions
see them.

  python make_char_table.py > char_table.h        (needs: the package tokenizers, 0.23 for Unicode 16.0)
"""
from tokenizers import Regex, pre_tokenizers

CLASSES = [("LETTER", r"\p{L}"), ("NUMBER", r"\p{N}"), ("SPACE", r"\s")]


def members(pattern):
    remove = pre_tokenizers.Split(Regex(pattern), "removed")
    found = set()
    for base in range(0, 0x110000, 0x1000):
        block = [chr(c) for c in range(base, base + 0x1000) if not 0xD800 <= c < 0xE000]
        kept = {c for word, _ in remove.pre_tokenize_str("".join(block)) for c in word} if block else set()
        found |= {ord(c) for c in block if c not in kept}
    return found


def ranges():
    named = {c: name for name, pattern in CLASSES for c in members(pattern)}
    first = last = None
    for c in sorted(named):
        if first is not None and c == last + 1 and named[c] == named[first]:
            last = c
            continue
        if first is not None:
            yield first, last, named[first]
        first = last = c
    yield first, last, named[first]


print("/* Written by make_char_table.py: General_Category L and N, White_Space; Unicode 16.0. */")
row = ""
for first, last, name in ranges():
    item = f"{{0x{first:x}, 0x{last:x}, CHAR_{name}}},"
    if len(row) + len(item) + 1 > 100:
        print(row)
        row = ""
    row += (" " if row else "") + item
print(row)
