"""The pipeline's arithmetic in batches: text with vision tokens, packed latents, sampler."""
import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus import calculate_dimensions, calculate_shift
from transformers import DynamicCache

import edits
import models
import sentences
from vae import LinearEncoder

SCHEDULER = dict(base_shift=0.5, max_shift=0.9, base_image_seq_len=256, max_image_seq_len=8192, use_dynamic_shifting=True,
                 time_shift_type="exponential", shift_terminal=0.02, num_train_timesteps=1000, invert_sigmas=False, shift=1.0)
CONDITION_AREA = 64 * 64
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
PREFIX = 64  # template tokens that the pipeline drops


def load_encoder(path):
    state = torch.load(path)
    encoder = LinearEncoder(state["W"], state["mean"], state["std"])
    return encoder.requires_grad_(False)


def vision_grid(height, width):
    """Rows and columns of vision tokens (after 2x2 merging) of a reference of this size."""
    w, h = calculate_dimensions(CONDITION_AREA, width / height)
    return max(1, round(h / 28)), max(1, round(w / 28))


def vision_patches(x, rows, columns):
    """B x 3 x height x width in [0, 1] -> pixel values as Qwen2-VL's processor orders them, [B*rows*2*columns*2, 1176]."""
    x = F.interpolate(x, size=(rows * 28, columns * 28), mode="bicubic", antialias=True).clamp(0, 1)
    x = ((x - MEAN) / STD)[:, None].expand(-1, 2, -1, -1, -1)
    count = x.shape[0]
    x = x.reshape(count, 1, 2, 3, rows, 2, 14, columns, 2, 14).permute(0, 1, 4, 7, 5, 8, 3, 2, 6, 9)
    return x.reshape(count * rows * columns * 4, 3 * 2 * 14 * 14)


class TextSide:
    """Prompts and reference pictures -> the embeddings that the transformer sees."""

    def __init__(self, encoder, tokenizer):
        self.encoder, self.tokenizer = encoder, tokenizer
        before, after = models.TEMPLATE.split("{}")
        self.prefix = tokenizer(before).input_ids
        assert len(self.prefix) == PREFIX
        self.head = tokenizer("Picture 1: <|vision_start|>").input_ids
        self.tail, self.end = tokenizer("<|vision_end|>").input_ids, tokenizer(after).input_ids
        assert len(self.end) == models.SUFFIX
        self.image = tokenizer.convert_tokens_to_ids("<|image_pad|>")

    @torch.no_grad()
    def see(self, pictures, rows, columns):
        """What the vision tower says about pictures [B, 3, height, width] -> [B, rows*columns, C]. Without gradient: no edit depends on it."""
        grid = torch.tensor([[1, rows * 2, columns * 2]] * len(pictures))
        return torch.stack(list(self.encoder.model.get_image_features(vision_patches(pictures, rows, columns), grid).pooler_output))

    def __call__(self, prompts, seen, rows, columns):
        """Embeddings after the template [B, S, C] and their mask. The template is run once for all (its keys and values are shared)."""
        model, patches = self.encoder.model.language_model, rows * columns
        ids = [self.head + [self.image] * patches + self.tail + self.tokenizer(p).input_ids + self.end for p in prompts]
        count, length = len(ids), max(map(len, ids))
        mask, tokens = torch.zeros(count, length, dtype=torch.long), torch.zeros(count, length, dtype=torch.long)
        for i, row in enumerate(ids):
            tokens[i, :len(row)] = torch.tensor(row)
            mask[i, :len(row)] = 1
        embedded = model.embed_tokens(tokens)
        embedded = embedded.masked_scatter((tokens == self.image)[..., None].expand_as(embedded), seen.to(embedded.dtype))
        first = len(self.head)  # positions as in M-RoPE: vision tokens count in rows and columns
        position = torch.arange(length)[None].repeat(3, 1)
        position[0, first:first + patches] = first
        position[1, first:first + patches] = first + torch.arange(rows).repeat_interleave(columns)
        position[2, first:first + patches] = first + torch.arange(columns).repeat(rows)
        position[:, first + patches:] = first + max(rows, columns) + torch.arange(length - first - patches)
        position = (position + PREFIX)[:, None].expand(3, count, length)
        cache = DynamicCache()
        model(input_ids=torch.tensor([self.prefix]), position_ids=torch.arange(PREFIX).expand(3, 1, PREFIX), past_key_values=cache, use_cache=True)
        for layer in cache.layers:
            layer.keys, layer.values = layer.keys.expand(count, -1, -1, -1), layer.values.expand(count, -1, -1, -1)
        out = model(inputs_embeds=embedded, position_ids=position, past_key_values=cache, use_cache=True,
                    attention_mask=torch.cat([torch.ones(count, PREFIX, dtype=torch.long), mask], 1)).last_hidden_state
        return out * mask[..., None], mask


def suffix(mask):
    """Where the tokens after the prompt lie: they have read all of it."""
    after = mask.flip(1).cumsum(1).flip(1)
    return (mask > 0) & (after <= models.SUFFIX)


def pack(z):
    b, c, h, w = z.shape
    return z.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(b, h * w // 4, 4 * c)


def unpack(x, height, width):
    z = x.view(x.shape[0], height // 16, width // 16, models.CHANNELS, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return z.reshape(x.shape[0], models.CHANNELS, height // 8, width // 8)


def sample(transformer, text, latents, sources, prompts, steps, seed=0):
    """The pipeline's sampler for a batch -> normalised latents."""
    count, _, height, width = sources.shape
    size = vision_grid(height, width)
    embedded, mask = text(prompts, text.see(sources, *size), *size)
    scheduler = FlowMatchEulerDiscreteScheduler(**SCHEDULER)
    length = height * width // 256
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps), mu=calculate_shift(length, 256, 8192, 0.5, 0.9))
    reference = pack(latents(sources * 2 - 1))
    x = torch.randn(reference.shape, generator=torch.Generator().manual_seed(seed))
    grid, dtype = (1, height // 16, width // 16), next(transformer.parameters()).dtype
    for t in scheduler.timesteps:
        velocity = transformer(torch.cat([x, reference], 1).to(dtype), embedded.to(dtype), mask, (t / 1000).expand(count).to(dtype),
                               [[grid, grid]] * count, return_dict=False)[0][:, :length]
        x = scheduler.step(velocity.float(), t, x, return_dict=False)[0]
    return unpack(x, height, width)


@torch.no_grad()
def quick_eval(transformer, text, latents, photos, weights, steps=4, n=3, size=(128, 128), together=16):
    """PSNR per class between pictures that the pseudo-inverse of the encoder makes of predicted and of true latents: a quick stand-in
    for the real scores."""
    rng, scores = random.Random(5), {}
    classes = [c for c in edits.FUNCTIONS if weights.get(c)]
    if weights.get("border"):
        classes += ["border:white", "border:red"]
    if weights.get("shape"):
        classes += ["shape:circle:red:middle", "shape:circle:blue:top left", "shape:square:green:bottom right"]
    classes = [c for c in classes for _ in range(n)]
    sources, prompts = torch.stack([photos.crop(*size, rng) for _ in classes]), [sentences.prompt(c, rng) for c in classes]
    targets = torch.stack([edits.apply(c, s) for c, s in zip(classes, sources)])
    inverse = torch.linalg.pinv(latents.W)

    def decode(z):
        z = z * latents.std.view(1, -1, 1, 1) + latents.mean.view(1, -1, 1, 1)
        return F.conv_transpose2d(z, inverse.T.reshape(-1, 3, 8, 8), stride=8).clamp(-1, 1)

    for i in range(0, len(classes), together):
        part = slice(i, i + together)
        z = sample(transformer, text, latents, sources[part], prompts[part], steps, seed=i)
        error = (decode(z) - decode(latents(targets[part] * 2 - 1))).square().mean((1, 2, 3))
        for c, e in zip(classes[part], error.tolist()):
            scores.setdefault(c, []).append(10 * math.log10(4 / e))
    return {c: sum(v) / len(v) for c, v in scores.items()}
