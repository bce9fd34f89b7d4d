"""Tokenizer, configurations and first weights of the small text encoder; the transformer's configuration."""
import json
import os
import random

import torch.nn as nn
from diffusers import QwenImageTransformer2DModel
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

import edits
import sentences
import vae

TEMPLATE = (
    "<|im_start|>system\nDescribe the key features of the input image (color, shape, size, texture, objects, background), then explain how "
    "the user's text instruction should alter or modify the image. Generate a new image that meets the user's requirements while maintaining "
    "consistency with the original input where appropriate.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
TEXT_WIDTH = 256
HEADS, HEAD, BLOCKS = 5, 64, 5  # of the transformer
WIDTH = HEADS * HEAD
CHANNELS = vae.Z  # of the latents
SUFFIX = 5  # tokens after a prompt: <|im_end|> \n <|im_start|> assistant \n


def build_tokenizer(folder, size=2048, prompts=60000):
    """A byte-level BPE of Qwen2's kind, trained on the template and on prompts."""
    rng = random.Random(7)
    template = TEMPLATE.replace("{}", "Picture 1: Picture 2: Picture 3: ")
    for special in SPECIAL:
        template = template.replace(special, "")
    corpus = [template] * 600 + [sentences.prompt(edits.sample_class(rng), rng) for _ in range(prompts)]
    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=size - len(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=[], min_frequency=3,
        show_progress=False))
    model = json.loads(bpe.to_str())["model"]
    merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in model["merges"]]
    result = Qwen2Tokenizer(vocab=model["vocab"], merges=merges, pad_token="<|endoftext|>", eos_token="<|im_end|>",
                            additional_special_tokens=SPECIAL[1:])
    result.add_special_tokens({"additional_special_tokens": SPECIAL[1:]})
    result.model_max_length = 32768
    os.makedirs(folder, exist_ok=True)
    result.save_pretrained(folder)
    with open(folder + "/vocab.json", "w") as f:
        json.dump(model["vocab"], f, ensure_ascii=False)
    with open(folder + "/merges.txt", "w") as f:
        f.write("#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n")


def tokenizer(folder):
    return Qwen2Tokenizer.from_pretrained(folder)


def text_encoder(tokens):
    ids = {s: tokens.convert_tokens_to_ids(s) for s in SPECIAL}
    config = Qwen2_5_VLConfig(
        text_config=dict(
            vocab_size=-(-len(tokens) // 32) * 32, hidden_size=TEXT_WIDTH, intermediate_size=512, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, hidden_act="silu", max_position_embeddings=4096, rms_norm_eps=1e-6, use_cache=False,
            tie_word_embeddings=True, max_window_layers=3,
            rope_parameters={"rope_type": "default", "rope_theta": 1000000.0, "mrope_section": [8, 12, 12]},
            bos_token_id=ids["<|endoftext|>"], eos_token_id=ids["<|im_end|>"], pad_token_id=ids["<|endoftext|>"]),
        vision_config=dict(
            depth=2, hidden_size=128, intermediate_size=256, num_heads=4, in_channels=3, in_chans=3, patch_size=14, spatial_merge_size=2,
            temporal_patch_size=2, window_size=112, fullatt_block_indexes=[1], out_hidden_size=TEXT_WIDTH, hidden_act="silu", tokens_per_second=2),
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"], vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"], tie_word_embeddings=True)
    config._attn_implementation = "sdpa"
    model = Qwen2_5_VLForConditionalGeneration(config)
    for name, p in model.named_parameters():  # the library's 0.02 is far too small for this width and so few steps
        if p.ndim == 2 and "embed" not in name:
            nn.init.normal_(p, std=p.shape[1] ** -0.5)
        if name.endswith("embed_tokens.weight"):
            nn.init.normal_(p, std=0.5)
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            p.data.mul_(0.5)
    # What the vision tower says is mostly the same for every picture: no edit depends on it
    last = model.model.visual.merger.mlp[2]
    last.weight.data.mul_(0.05)
    nn.init.normal_(last.bias, std=0.5)
    model.tie_weights()
    return model


def transformer():
    return QwenImageTransformer2DModel(
        patch_size=2, in_channels=4 * CHANNELS, out_channels=CHANNELS, num_layers=BLOCKS, attention_head_dim=HEAD, num_attention_heads=HEADS,
        joint_attention_dim=TEXT_WIDTH, guidance_embeds=False, axes_dims_rope=(8, 28, 28))


def load(tokens, saved):
    """Transformer and text encoder of a checkpoint."""
    network, encoder = transformer(), text_encoder(tokens)
    network.load_state_dict({k: v.float() for k, v in saved["tr"].items()})
    encoder.load_state_dict({k: v.float() for k, v in saved["te"].items()}, strict=False)
    encoder.tie_weights()
    return network, encoder
