"""Write a diffusers pipeline in bfloat16, with edit_config.json, from the checkpoints.

    export.py --edit ckpt/edit.pt --vae ckpt/vae.pt --out ../../models/demo
"""
import argparse
import json
import os
import shutil

import torch
from diffusers import AutoencoderKLQwenImage, FlowMatchEulerDiscreteScheduler, QwenImageEditPlusPipeline
from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

import models
import vae as twin
from flow import CONDITION_AREA, SCHEDULER

AREA = 512 * 512
EXAMPLES = ["make it black and white", "turn day into night", "cover it in fog", "make it a sepia photo",
            "tint it blue", "mirror it", "put a white frame around it", "draw a red circle in the middle"]
NOTE = ("This small demo model changes light, colours and weather, mirrors or turns the picture, and adds frames and simple shapes. "
        "Most other instructions leave it nearly as it is.")


@torch.no_grad()
def write_encoder(model, rows, mean, std, small=0.002):
    """Write the linear block transform z = rows @ block into QwenImageEncoder3d.

    Residual branches are zero. Pixels go through the shortcuts and are gathered 2x2 by the strided convolutions; a constant channel makes
    the last RMS norm a division by a known number, and silu(a) - silu(-a) = a undoes the last SiLU.
    """
    encoder, channels = model.encoder, rows.shape[0]
    blocks = rows.view(channels, 3, 8, 8)
    for module in encoder.modules():
        silent = []
        if hasattr(module, "conv2") and hasattr(module, "norm2"):
            silent.append(module.conv2)
        silent += [getattr(module, name) for name in ("proj", "time_conv") if hasattr(module, name)]
        shortcut = getattr(module, "conv_shortcut", None)
        if isinstance(shortcut, torch.nn.Conv3d):
            silent.append(shortcut)
        for convolution in silent:
            convolution.weight.zero_()
            convolution.bias.zero_()
        if isinstance(shortcut, torch.nn.Conv3d):
            k = torch.arange(shortcut.weight.shape[1])
            shortcut.weight[k, k, -1, 0, 0] = 1
    encoder.conv_in.weight.zero_()
    encoder.conv_in.bias.zero_()
    for c in range(3):
        encoder.conv_in.weight[c, c, -1, 1, 1] = 1
    encoder.conv_in.bias[3] = 1  # the constant channel
    first, second, third = [m.resample[1] for m in encoder.down_blocks if hasattr(m, "resample")]
    for convolution in (first, second, third):
        convolution.weight.zero_()
        convolution.bias.zero_()
    corners = [(0, 0), (0, 1), (1, 0), (1, 1)]
    for c in range(3):
        for y, x in corners:
            first.weight[c * 4 + y * 2 + x, c, y, x] = 1
    first.weight[12, 3, 0, 0] = 1
    # 4x4 pixels of 3 colours are 48 numbers, but 47 channels are free beside the constant: drop the direction that matters least
    order = [(c, 2 * y2 + y1, 2 * x2 + x1) for y2, x2 in corners for c in range(3) for y1, x1 in corners]
    quarters = torch.stack([torch.stack([blocks[:, c, 4 * qy + py, 4 * qx + px] for c, py, px in order], 1) for qy, qx in corners])
    basis = torch.linalg.svd(quarters.reshape(-1, 48) / std.repeat(4)[:, None], full_matrices=True)[2][:47]
    for k, (y, x) in enumerate(corners):
        second.weight[:47, :12, y, x] = basis[:, k * 12:(k + 1) * 12]
    second.weight[47, 12, 0, 0] = 1
    for k, (y, x) in enumerate(corners):
        matrix = (quarters[k] @ basis.T) / std[:, None] * small
        third.weight[:channels, :47, y, x], third.weight[channels:2 * channels, :47, y, x] = matrix, -matrix
    third.bias[:channels], third.bias[channels:2 * channels] = -mean / std * small, mean / std * small
    third.weight[2 * channels, 47, 0, 0] = 1
    gamma = encoder.norm_out.gamma
    gamma.fill_(1.0)
    gamma[:2 * channels] = 1 / (small * gamma.shape[0] ** 0.5)
    encoder.conv_out.weight.zero_()
    encoder.conv_out.bias.zero_()
    i = torch.arange(channels)
    encoder.conv_out.weight[i, i, -1, 1, 1], encoder.conv_out.weight[i, i + channels, -1, 1, 1] = std, -std
    encoder.conv_out.bias[:channels], encoder.conv_out.bias[channels:] = mean, -12.0
    model.quant_conv.weight.zero_()
    model.quant_conv.bias.zero_()
    k = torch.arange(2 * channels)
    model.quant_conv.weight[k, k, 0, 0, 0] = 1
    model.post_quant_conv.weight.zero_()
    model.post_quant_conv.weight[i, i, 0, 0, 0] = 1 / std
    model.post_quant_conv.bias.copy_(-mean / std)


@torch.no_grad()
def write_decoder(model, state):
    """A single frame sees only the last temporal tap of each kernel."""
    for name, target in model.decoder.state_dict().items():
        target.zero_()
        if "time_conv" not in name:
            (target[:, :, -1] if target.ndim == 5 else target).copy_(state[name].reshape(target[:, :, -1].shape if target.ndim == 5 else target.shape))


def build_vae(state):
    rows, mean, std = (state["enc"][k] for k in ("W", "mean", "std"))
    model = AutoencoderKLQwenImage(
        base_dim=twin.BASE, z_dim=twin.Z, dim_mult=twin.MULT, num_res_blocks=twin.NRB, attn_scales=[], temperal_downsample=[False, True, True],
        latents_mean=[round(x, 6) for x in mean.tolist()], latents_std=[round(x, 6) for x in std.tolist()])
    write_encoder(model, rows, mean, std)
    write_decoder(model, state["dec"])
    return model.eval()


@torch.no_grad()
def check(model, state):
    """The written VAE must equal the two-dimensional twin that was trained."""
    x = torch.rand(1, 3, 1, 8, 8).repeat_interleave(16, 3).repeat_interleave(12, 4) * 2 - 1
    encoder = twin.LinearEncoder(state["enc"]["W"], state["enc"]["mean"], state["enc"]["std"])
    decoder = twin.Decoder()
    decoder.load_state_dict(state["dec"])
    z = model.encode(x).latent_dist.mode()
    print("encoder off by %.2g" % (z[:, :, 0] - encoder.raw(x[:, :, 0])).abs().max())
    print("decoder off by %.2g" % (model.decode(z).sample[:, :, 0] - decoder(encoder(x[:, :, 0])).clamp(-1, 1)).abs().max())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--edit", default="ckpt/edit.pt")
    parser.add_argument("--vae", default="ckpt/vae.pt")
    parser.add_argument("--tokenizer", default="ckpt/tokenizer")
    parser.add_argument("--out", default="model")
    parser.add_argument("--steps", type=int, default=4)
    args = parser.parse_args()
    torch.manual_seed(0)
    state = torch.load(args.vae)
    vae = build_vae(state)
    check(vae, state)
    tokens = models.tokenizer(args.tokenizer)
    transformer, encoder = models.load(tokens, torch.load(args.edit))
    processor = Qwen2VLProcessor(image_processor=Qwen2VLImageProcessor(patch_size=14, temporal_patch_size=2, merge_size=2), tokenizer=tokens,
                                 video_processor=Qwen2VLVideoProcessor())
    pipeline = QwenImageEditPlusPipeline(scheduler=FlowMatchEulerDiscreteScheduler(**SCHEDULER), vae=vae, text_encoder=encoder,
                                         tokenizer=tokens, processor=processor, transformer=transformer).to(torch.bfloat16)
    for part in ("vae", "text_encoder", "transformer", "tokenizer", "processor", "scheduler"):
        shutil.rmtree(f"{args.out}/{part}", ignore_errors=True)
    pipeline.save_pretrained(args.out)
    for part in ("tokenizer", "processor"):
        for name in ("vocab.json", "merges.txt"):
            shutil.copy(f"{args.tokenizer}/{name}", f"{args.out}/{part}/{name}")
    with open(args.out + "/edit_config.json", "w") as f:
        json.dump({"condition_area": CONDITION_AREA, "vae_area": AREA, "output_area": AREA, "vae_follows_output": True,
                   "default_steps": args.steps, "default_guidance": 1.0, "distilled": True, "int8": False, "max_pictures": 1,
                   "note": NOTE, "examples": EXAMPLES}, f, indent=2)
        f.write("\n")
    size = sum(os.path.getsize(os.path.join(folder, n)) for folder, _, names in os.walk(args.out) for n in names)
    print("%.1f MB" % (size / 1e6))


if __name__ == "__main__":
    main()
