"""Tokenizer, configurations and first weights of the small text encoder and transformer."""
import json
import math
import os
import random

import torch
import torch.nn as nn
from diffusers import QwenImageTransformer2DModel
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

import edits

TEMPLATE = (
    "<|im_start|>system\nDescribe the key features of the input image (color, shape, size, texture, objects, background), then explain how "
    "the user's text instruction should alter or modify the image. Generate a new image that meets the user's requirements while maintaining "
    "consistency with the original input where appropriate.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
WIDTH, HEADS, HEAD = 256, 4, 64  # of both networks
CHANNELS = 16  # of the latents
FIRST_BLOCKS, BLOCKS = 5, 8  # without and with the three compiled ones in front (geometry.py)
# the constant channels of the residual stream, +-7: they make LayerNorm nearly linear
ANCHOR_VALUE, ANCHORS = 7.0, slice(128, 160)
ANCHOR = torch.zeros(WIDTH)
ANCHOR[ANCHORS] = torch.tensor([1.0, -1.0]).repeat(16) / 32 ** 0.5


def build_tokenizer(folder, size=1536, sentences=40000):
    """A byte-level BPE of Qwen2's kind, trained on the template and on prompts."""
    rng = random.Random(7)
    template = TEMPLATE.replace("{}", "Picture 1: Picture 2: Picture 3: ")
    for special in SPECIAL:
        template = template.replace(special, "")
    corpus = [template] * 400 + [edits.prompt(edits.sample_class(rng), rng) for _ in range(sentences)]
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
            vocab_size=-(-len(tokens) // 32) * 32, hidden_size=WIDTH, intermediate_size=512, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, hidden_act="silu", max_position_embeddings=4096, rms_norm_eps=1e-6, use_cache=False,
            tie_word_embeddings=True, max_window_layers=3,
            rope_parameters={"rope_type": "default", "rope_theta": 1000000.0, "mrope_section": [8, 12, 12]},
            bos_token_id=ids["<|endoftext|>"], eos_token_id=ids["<|im_end|>"], pad_token_id=ids["<|endoftext|>"]),
        vision_config=dict(
            depth=2, hidden_size=128, intermediate_size=256, num_heads=4, in_channels=3, in_chans=3, patch_size=14, spatial_merge_size=2,
            temporal_patch_size=2, window_size=112, fullatt_block_indexes=[1], out_hidden_size=WIDTH, hidden_act="silu", tokens_per_second=2),
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
    model.tie_weights()
    return model


def transformer(blocks):
    return QwenImageTransformer2DModel(
        patch_size=2, in_channels=4 * CHANNELS, out_channels=CHANNELS, num_layers=blocks, attention_head_dim=HEAD, num_attention_heads=HEADS,
        joint_attention_dim=WIDTH, guidance_embeds=False, axes_dims_rope=(8, 28, 28))


def block_count(network):
    return len(network.transformer_blocks)


def load(tokens, saved):
    """Transformer and text encoder: a checkpoint's, or where training begins."""
    encoder = text_encoder(tokens)
    if not saved:
        network = transformer(FIRST_BLOCKS)
        begin_as_identity(network)
        return network, encoder
    network = transformer(1 + max(int(k.split(".")[1]) for k in saved["tr"] if k.startswith("transformer_blocks.")))
    network.load_state_dict({k: v.float() for k, v in saved["tr"].items()})
    encoder.load_state_dict({k: v.float() for k, v in saved["te"].items()}, strict=False)
    encoder.tie_weights()
    return network, encoder


def position_bias(frame_shift):
    """Bias of a query or key that meets its like at the same place, `frame_shift` frames on. A head's 32 RoPE pairs: 0..3 frame,
    4..17 rows, 18..31 columns."""
    energy, phase, bias = torch.zeros(32), torch.zeros(32), torch.zeros(HEAD)
    energy[0] = 16.0
    for first in (4, 18):
        energy[first:first + 5] = torch.tensor([9.0, 8.0, 4.0, 2.0, 1.0])
    phase[0] = frame_shift
    bias[0::2], bias[1::2] = energy.sqrt() * torch.cos(phase), energy.sqrt() * torch.sin(phase)
    return bias


@torch.no_grad()
def begin_as_identity(network):
    """Start as (almost) the identity edit. Residual stream: 0..63 own packed latents, 64..127 the reference's at the same place (copied
    by head 0 of the first block), 128..159 constants, the rest free."""
    for name, p in network.named_parameters():
        if p.ndim == 2:
            nn.init.normal_(p, std=p.shape[1] ** -0.5)
        elif name.endswith("bias"):
            nn.init.zeros_(p)
    network.img_in.weight.zero_()
    network.img_in.weight[:64] = torch.eye(64)
    network.img_in.weight[160:] = torch.randn(96, 64) * 0.3 / 8
    network.img_in.bias[ANCHORS] = torch.tensor([ANCHOR_VALUE, -ANCHOR_VALUE]).repeat(16)
    norm = math.sqrt((32 * ANCHOR_VALUE ** 2 + 128 * 1.2) / WIDTH)  # LayerNorm divides by about this
    slow = torch.zeros(HEAD)  # the slow RoPE pairs: image queries prefer text keys in free heads
    for pair in (14, 15, 16, 17, 28, 29, 30, 31):
        slow[2 * pair] = 1.0
    for index, block in enumerate(network.transformer_blocks):
        attention, first = block.attn, index == 0
        for modulation in (block.img_mod[1], block.txt_mod[1]):
            modulation.weight.mul_(0.05)
            modulation.bias.zero_()
            modulation.bias.view(6, WIDTH)[[2, 5]] = 1.0
        for gain, value in ((attention.norm_q, 2.5 if first else 1.4), (attention.norm_k, 2.5 if first else 1.4),
                            (attention.norm_added_q, 1.4), (attention.norm_added_k, 2.5 if first else 1.4)):
            gain.weight.fill_(value)
        for head in range(HEADS):
            rows = slice(HEAD * head, HEAD * head + HEAD)
            if head == 0:
                attention.to_q.weight[rows] *= 0.05 if first else 0.3
                attention.to_k.weight[rows] *= 0.05 if first else 0.3
                attention.to_q.bias[rows], attention.to_k.bias[rows] = position_bias(1.0), position_bias(0.0)
            elif head == 1 and index in (1, 2, 3):  # the neighbourhood in the own frame
                attention.to_q.weight[rows] *= 0.4
                attention.to_k.weight[rows] *= 0.4
                attention.to_q.bias[rows], attention.to_k.bias[rows] = position_bias(0.0) * 0.7, position_bias(0.0) * 0.7
            else:
                attention.to_q.bias[rows] = slow * (1.2 if first else 2.0)
                attention.add_k_proj.bias[rows] = slow * (1.2 if first else 2.0)
        attention.to_out[0].weight.mul_(0.2)
        attention.to_add_out.weight.mul_(0.3)
        block.img_mlp.net[2].weight.mul_(0.2)
        block.txt_mlp.net[2].weight.mul_(0.3)
        for weight in (attention.to_out[0].weight, block.img_mlp.net[2].weight):  # keep copies and constants clean at the start
            weight[ANCHORS] = 0.0
            weight[:128] *= 0.1
        if first:
            attention.to_v.weight[:64] = 0
            attention.to_v.weight[:64, :64] = torch.eye(64) * norm
            attention.to_out[0].weight[:, :64] = 0
            attention.to_out[0].weight[64:128, :64] = torch.eye(64)
    # the output's scale 1/t (velocity = (x_t - x_0) / t) as a ridge regression on the noise level's features
    t = torch.linspace(0.02, 1, 400)
    features = torch.nn.functional.silu(network.time_text_embed(t, torch.zeros(1)))
    features = torch.cat([features, torch.ones(400, 1)], 1)
    fit = torch.linalg.solve(features.T @ features + 1e-2 * torch.eye(257), features.T @ ((1 / t).clamp(max=8.0) - 1))
    scale = network.norm_out.linear
    scale.weight.zero_()
    scale.bias.zero_()
    scale.weight[:WIDTH], scale.bias[:WIDTH] = fit[:256][None], fit[256]
    network.proj_out.weight.zero_()
    network.proj_out.bias.zero_()
    network.proj_out.weight[:, :64], network.proj_out.weight[:, 64:128] = torch.eye(64) * norm, -torch.eye(64) * norm
