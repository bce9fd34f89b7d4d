"""Writes data/hard.json, data/added.json and data/prompt.json: hard texts for a tokenizer, with the reference's ids.

  python make_tokenizer_cases.py TEST_DATA OUT        (needs: tokenizers; TEST_DATA: tests/data)

hard.json: Qwen's vocabulary (qwen_vocab + the standard tokens); `special`: parse_special.
added.json: the vocabulary of tiny-edit with added tokens that have every flag.
prompt.json: prompts in the template of diffusers' QwenImageEditPlusPipeline, Qwen's vocabulary.

Texts with characters that not all libraries know (newer_than_libraries) are left out: the reference normalizes by Unicode
9 and splits by Unicode 16, PCRE2 10.42 splits by Unicode 14, which is also what Python 3.11's unicodedata is.
"""
import json, random, sys, unicodedata
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
            "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
            "<|image_pad|>", "<|video_pad|>"]
EXTRA = ["<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
         "<|repo_name|>", "<|file_sep|>"]
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
         r"\s+(?!\S)|\s+")
BY_HAND = ["'\u017f", "x'\u017fy", "'\u017ft", "it\u2019s it'S'll'LL'lL'Ll", "''s 't\n'r 'v 'l", "'re've'RE'Ve", "\u180e \u180ea",
           "\u200b \u200b", "a\u0085b \u0085 c", " \u00a0a", "\u3000\u3000a", "\r\r\n \n\t x", "x \n y", "\n \n  ", " !\r\n\n!", "\t!", "\t\ta",
           "  !", "  1", " 1 2", "\u2028\u2029a", "\u1680\u205f\u202fb", "\uac00\u11a7", "\uac00\u11a8", "\u1100\u1161\u11a8\u11a8",
           "\u1100\u1161\u0301\u11a8", "q\u0323\u0307", "q\u0307\u0323", "\u1e9b\u0323", "\u212b\u2126\u212a", "\u0958\u0928\u093c", "\u0344",
           "\u1d15e\U0001d15e\U0001d160", "\u0eb2\u0eba\u0eb8", 
           "\u0378", "\U0010ffff\ufffe\ufdd0", "\x00", "a\x00b", "\x1b[0m\x7f",
           "<|im_start", "<|im_start|", "<<|im_end|>>", "<|im_end|><|im_end|>", "<|im_end|>\u0338", "<tool_call>\u0338", "<tool_call\u0338>",
           "e<|im_end|>\u0301", " <|vision_pad|> ", "</tool_call><tool_call></tool_call", "<|fim_prefix|><|FIM_PREFIX|>",
           "\u0301a", "\u0301\u0301", "a" * 70, " " * 70, "\n" * 20, "ab" * 40, "!?" * 30, "\u4f60" * 20, "\u0300\u0323" * 12 + "a", "a" + "\u0315\u0300\u0323" * 12]


def base(vocab, merges):
    t = Tokenizer(models.BPE.from_file(vocab, merges))
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    return t


def span(a, z):
    return [chr(c) for c in range(a, z + 1) if not 0xD800 <= c < 0xE000]


POOLS = [list("abcdefgXYZ"), list("0123456789"), list(" \t\n\r\x0b\x0c\x85\xa0\u1680\u2003\u2028\u3000\u180e\u200b"), list(" \n\r"),
         list(".,;:!?'\"-_/()<>|@#"), ["'s", "'T", "'Re", "'ve", "'M", "'ll", "'d", "'\u017f", "\u2019s"], span(0x300, 0x36f), span(0xc0, 0x24f),
         span(0x370, 0x52f), span(0x591, 0x6ff), span(0x900, 0xdff), span(0xe00, 0xfff), span(0x1100, 0x11ff),
         ["\u11a7", "\u11a8", "\u1161", "\uac00", "\u1100"], span(0x1e00, 0x1fff), span(0x3040, 0x30ff), span(0x4e00, 0x4f00), span(0xf900, 0xfaff),
         span(0xfb00, 0xfdff), span(0xff00, 0xffef), span(0x2150, 0x218f), span(0x2460, 0x24ff), span(0x1f600, 0x1f64f),
         ["\u200d", "\ufe0f", "\U0001f44d\U0001f3fd"], span(0, 0x1f), span(0x1d100, 0x1d1ff), span(0x11000, 0x113ff), span(0x20d0, 0x20f0),
         SPECIALS, EXTRA, ["<|im_", "end|>", "<|", "|>", "\u0338"]]


def random_text(r, pools, longest):
    pools = r.sample(pools, r.randint(1, min(5, len(pools))))
    if r.random() < .2:
        return "".join(chr(c) for c in (r.randrange(r.choice([0x110000, 0x3000])) for _ in range(r.randint(1, 8)))
                       if not 0xD800 <= c < 0xE000)
    return "".join(r.choice(r.choice(pools)) * r.choice([1, 1, 1, 1, 2, 5]) for _ in range(r.randint(1, longest)))


LETTER_OR_NUMBER = pre_tokenizers.Split(Regex(r"[\p{L}\p{N}]"), "removed")


def newer_than_libraries(text):
    if normalizers.NFC().normalize_str(text) != unicodedata.normalize("NFC", text):
        return True
    return any(unicodedata.category(c) == "Cn" and not LETTER_OR_NUMBER.pre_tokenize_str(c) for c in text)


def qwen(data):
    t = base(f"{data}/qwen_vocab/vocab.json", f"{data}/qwen_vocab/merges.txt")
    t.add_special_tokens([AddedToken(x, special=True, normalized=False) for x in SPECIALS])
    t.add_tokens([AddedToken(x, special=False, normalized=False) for x in EXTRA])
    return t


def hard(data):
    t = qwen(data)
    r = random.Random(20)
    texts = [(x, True) for x in BY_HAND] + [(x, False) for x in BY_HAND if "<" in x]
    texts += [(random_text(r, POOLS, 10), r.random() < .7) for _ in range(400)]
    cases = []
    for text, special in texts:
        if newer_than_libraries(text):
            continue
        t.encode_special_tokens = not special
        cases.append({"text": text, "special": special, "ids": t.encode(text, add_special_tokens=False).ids})
    return cases


def added(data):
    folder = f"{data}/tiny-edit/model/tokenizer"
    flags = [("<L>", dict(lstrip=True)), ("<R>", dict(rstrip=True)), ("<LR>", dict(lstrip=True, rstrip=True)), ("word", dict(single_word=True)),
             ("<n>", dict(normalized=True)), ("\u00e9\u00e8", dict(normalized=True)), ("\u212b", dict(normalized=True)), ("e\u0301", {}), ("<L>x", {}),
             ("ab", {}), ("abc", {}), ("bcd", {}), ("\u3000", {}), ("nw", dict(normalized=True, single_word=True)),
             ("nl", dict(normalized=True, lstrip=True, rstrip=True))]
    tokens = [AddedToken(c, special=i % 4 == 0, **{"normalized": False, **f}) for i, (c, f) in enumerate(flags)]
    t = base(f"{folder}/vocab.json", f"{folder}/merges.txt")
    first = t.get_vocab_size()
    t.add_tokens(tokens)
    r = random.Random(21)
    pools = [[c for c, _ in flags], list("abcdw"), list(" \n\t\u00a0\u2003"), ["e", "\u0301", "\u00e9", "\u00e8", "A\u030a", "\u00c5"], ["word", "nw", "nl", "_", "1", "\u24b6"],
             list("<>LRn|")]
    cases = []
    for _ in range(250):
        text, special = random_text(r, pools, 10), r.random() < .7
        if newer_than_libraries(text):
            continue
        t.encode_special_tokens = not special
        cases.append({"text": text, "special": special, "ids": t.encode(text, add_special_tokens=False).ids})
    entries = [dict(id=first + i, content=k.content, single_word=k.single_word, lstrip=k.lstrip, rstrip=k.rstrip,
                    normalized=k.normalized, special=k.special) for i, k in enumerate(tokens)]
    for entry in entries:
        assert t.token_to_id(entry["content"]) == entry["id"], entry
    return {"added_tokens": entries, "cases": cases}


TEMPLATE = ("<|im_start|>system\nDescribe the key features of the input image (color, shape, size, texture, objects, background), "
            "then explain how the user's text instruction should alter or modify the image. Generate a new image that meets the "
            "user's requirements while maintaining consistency with the original input where appropriate.<|im_end|>\n"
            "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n")
PROMPTS = ["Add a red hat on the dog", "", " ", "\n", "\r\n \n x", "  two blanks", "\u0301 mark first", "1 2 3", "trailing \n", "'s", "{} {0}",
           "\u628a\u80cc\u666f\u6362\u6210\u6d77\u6ee9, keep the dog's face \U0001f600", "Picture 1: the hat of Picture 2", "a <tool_call> b", "e\u0301<|x|>"]


def prompts(data):
    t = qwen(data)
    return [{"prompt": p, "image_tokens": n,
             "ids": t.encode(TEMPLATE.format("".join(f"Picture {i + 1}: <|vision_start|>{'<|image_pad|>' * k}<|vision_end|>"
                                                    for i, k in enumerate(n)) + p), add_special_tokens=False).ids}
            for p in PROMPTS for n in ([], [4], [3, 1, 2])]


def rows(value):
    return "[\n" + ",\n".join(json.dumps(v, separators=(",", ":")) for v in value) + "\n]\n"


if __name__ == "__main__":
    data, out = sys.argv[1:]
    with open(f"{out}/hard.json", "w") as f:
        f.write(rows(hard(data)))
    with open(f"{out}/prompt.json", "w") as f:
        f.write(rows(prompts(data)))
    both = added(data)
    with open(f"{out}/added.json", "w") as f:
        f.write('{"added_tokens": ' + rows(both["added_tokens"]) + ', "cases": ' + rows(both["cases"]) + "}\n")
