#!/usr/bin/env python3
"""Makes a model to measure: the architecture of QwenImageEditPlusPipeline in a small size, with random weights.

usage: make_bench_model.py FOLDER [--blocks N] [--heads N]

The transformer has 8 blocks of width 1024 (8 heads of 128) unless others are asked for, the text encoder 8 layers of width
1024 and a vision tower of 8 layers of width 512; the VAE has its published size; all is stored in bfloat16, 1.7 GB. Every
tensor is drawn from a generator of its own, seeded by its name, so its bytes depend on nothing else: the same model
everywhere. Pictures and their latents are of 512x512 pixels (edit_config.json).
"""
import argparse
import json
import os
import zlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from diffusers import (AutoencoderKLQwenImage, FlowMatchEulerDiscreteScheduler, QwenImageEditPlusPipeline,
                       QwenImageTransformer2DModel)
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (AddedToken, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer,
                          Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor)

SEED = 20251123
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
           "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
           "<|image_pad|>", "<|video_pad|>"]
FIRST_SPECIAL = 151643  # as in the published tokenizer
CORPUS = ("system\nDescribe the key features of the input image (color, shape, size, texture, objects, background), then "
          "explain how the user's text instruction should alter or modify the image. Generate a new image that meets the "
          "user's requirements while maintaining consistency with the original input where appropriate.\nuser\n Picture 1: "
          "assistant\n make the sky look like a warm sunset and add a small red boat on the lake, keep the rest of the photo "
          "as it is. ugly, blurry, low quality")


def fill(model, component):
    """Norms are 1, biases nearly 0; a VAE's weights are scaled by their fan-in, so that its activations stay near 1."""
    model.to(torch.bfloat16)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            g = torch.Generator().manual_seed((zlib.crc32(f"{component}/{name}".encode()) ^ SEED) & 0x7FFFFFFF)
            low = name.lower()
            norm = ("norm" in low or low.endswith("gamma") or "ln_q" in low) and "norm_out.linear" not in low
            if norm:
                p.fill_(0.0 if low.endswith("bias") else 1.0)
            elif p.ndim <= 1:
                p.copy_(torch.randn(p.shape, generator=g) * 0.01)
            elif component == "vae":
                p.copy_(torch.randn(p.shape, generator=g) * (1.0 / p[0].numel()) ** 0.5)
            else:
                p.copy_(torch.randn(p.shape, generator=g) * 0.02)
    return model


def make_tokenizer():
    """Byte-level BPE of the prompt's template, filled up so that the special tokens get their published numbers."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator([CORPUS] * 2, trainers.BpeTrainer(
        vocab_size=700, min_frequency=1, show_progress=False, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    bpe = json.loads(t.to_str())["model"]
    vocab = dict(sorted(bpe["vocab"].items(), key=lambda item: item[1]))
    for i in range(len(vocab), FIRST_SPECIAL):
        vocab[f"\u0120<fill{i:06d}>"] = i
    tokenizer = Qwen2Tokenizer(vocab=vocab, merges=[tuple(m) if not isinstance(m, str) else tuple(m.split(" "))
                                                    for m in bpe["merges"]],
                               unk_token=SPECIAL[0], pad_token=SPECIAL[0], eos_token=SPECIAL[0], bos_token=None)
    tokenizer.add_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIAL], special_tokens=True)
    tokenizer.eos_token = "<|im_end|>"
    assert tokenizer.convert_tokens_to_ids(SPECIAL) == list(range(FIRST_SPECIAL, FIRST_SPECIAL + len(SPECIAL)))
    return tokenizer


def make_text_encoder(tokenizer):
    rope = {"rope_type": "default", "type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1000000.0}
    number = tokenizer.convert_tokens_to_ids
    return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(
        text_config=dict(hidden_size=1024, intermediate_size=2816, num_hidden_layers=8, num_attention_heads=8,
                         num_key_value_heads=2, vocab_size=152064, max_position_embeddings=32768, rms_norm_eps=1e-6,
                         rope_theta=1000000.0, rope_parameters=rope, hidden_act="silu", tie_word_embeddings=False,
                         use_sliding_window=False, bos_token_id=number("<|endoftext|>"), eos_token_id=number("<|im_end|>")),
        vision_config=dict(depth=8, hidden_size=512, num_heads=8, intermediate_size=1408, window_size=112,
                           fullatt_block_indexes=[3, 7], out_hidden_size=1024, hidden_act="silu", in_channels=3,
                           patch_size=14, spatial_merge_size=2, temporal_patch_size=2, tokens_per_second=2),
        image_token_id=number("<|image_pad|>"), video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"), vision_end_token_id=number("<|vision_end|>"),
        tie_word_embeddings=False))


def main(folder, blocks, heads):
    tokenizer = make_tokenizer()
    processor = Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=28 * 28 * 16384, patch_size=14,
                                              temporal_patch_size=2, merge_size=2),
        tokenizer=tokenizer, video_processor=Qwen2VLVideoProcessor(), chat_template="")
    scheduler = FlowMatchEulerDiscreteScheduler(
        base_image_seq_len=256, base_shift=0.5, max_image_seq_len=8192, max_shift=0.9, num_train_timesteps=1000, shift=1.0,
        shift_terminal=0.02, use_dynamic_shifting=True, time_shift_type="exponential")
    transformer = QwenImageTransformer2DModel(
        patch_size=2, in_channels=64, out_channels=16, num_layers=blocks, attention_head_dim=128, num_attention_heads=heads,
        joint_attention_dim=1024, guidance_embeds=False, axes_dims_rope=(16, 56, 56))
    QwenImageEditPlusPipeline(
        scheduler=scheduler, vae=fill(AutoencoderKLQwenImage(), "vae"),
        text_encoder=fill(make_text_encoder(tokenizer), "text_encoder"), tokenizer=tokenizer, processor=processor,
        transformer=fill(transformer, "transformer")).save_pretrained(folder, safe_serialization=True)
    with open(os.path.join(folder, "edit_config.json"), "w") as f:
        json.dump({"condition_area": 384 * 384, "vae_area": 512 * 512, "output_area": 512 * 512}, f)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--heads", type=int, default=8)
    arguments = parser.parse_args()
    main(arguments.folder, arguments.blocks, arguments.heads)
