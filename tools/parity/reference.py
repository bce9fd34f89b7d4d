#!/usr/bin/env python3
"""One edit by diffusers, and every tensor on its way: reference.py [--dtype D] [--blocks] MODEL CASE OUT.

Called by parity.py. Writes OUT/trace.npz and OUT/output.png. The names are those of tests/data/README.md. What the
pipeline has as constants, the model's edit_config.json may say: the areas of pictures.
"""
import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy
import torch
from diffusers import QwenImageEditPlusPipeline
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as module
from PIL import Image, ImageOps


class Recorder:
    def __init__(self, blocks):
        self.blocks, self.trace, self.step, self.tags = blocks, {}, 0, []

    def keep(self, name, tensor):
        if not self.blocks and (".block" in name or ".hidden." in name):
            return
        if name not in self.trace:  # what is computed for both passes alike is kept once
            whole = not tensor.is_floating_point()
            self.trace[name] = tensor.detach().cpu().to(torch.int64 if whole else torch.float32).numpy()


def watch_text(recorder, pipe):
    """The passes with the prompt and without it come in this order."""
    encoder, forward = pipe.text_encoder, pipe.text_encoder.forward

    def watched(*args, **kwargs):
        tag = "cond" if not recorder.tags else "uncond"
        recorder.tags.append(tag)
        ids = kwargs["input_ids"]
        # diffusers 0.42 does not say which tokens are pictures, and transformers 5 then uses 1-D positions.
        kwargs.setdefault("mm_token_type_ids", (ids == encoder.config.image_token_id).int())
        recorder.keep(f"{tag}.input_ids", ids[0])
        for name in ("pixel_values", "image_grid_thw"):
            recorder.keep(name, kwargs[name])
        out = forward(*args, **kwargs)
        for i, hidden in enumerate(out.hidden_states):
            recorder.keep(f"{tag}.hidden.{i}", hidden[0])
        return out

    def vision(_, __, out):
        tensor = getattr(out, "pooler_output", None)
        tensor = tensor if tensor is not None else out
        if isinstance(tensor, (tuple, list)):
            tensor = torch.cat(list(tensor))
        if isinstance(tensor, torch.Tensor):
            recorder.keep(f"{recorder.tags[-1]}.vision_embeds", tensor)

    encoder.forward = watched
    encoder.model.visual.register_forward_hook(vision)
    encode_prompt, names = pipe.encode_prompt, ["prompt_embeds", "negative_prompt_embeds"]

    def embeds(*args, **kwargs):
        out = encode_prompt(*args, **kwargs)
        recorder.keep(names.pop(0), out[0][0])
        return out

    pipe.encode_prompt = embeds


def watch_vae(recorder, pipe):
    encode, decode, count = pipe.vae.encode, pipe.vae.decode, [0]

    def encoded(x, *args, **kwargs):
        out = encode(x, *args, **kwargs)
        recorder.keep(f"vae_input{count[0]}", x[0, :, 0])
        recorder.keep(f"vae_mean{count[0]}", out.latent_dist.mean[0, :, 0])
        count[0] += 1
        return out

    def decoded(z, *args, **kwargs):
        out = decode(z, *args, **kwargs)
        recorder.keep("vae_decode_input", z[0, :, 0])
        recorder.keep("vae_decode_output", (out[0] if isinstance(out, tuple) else out.sample)[0, :, 0])
        return out

    pipe.vae.encode, pipe.vae.decode = encoded, decoded


def watch_denoising(recorder, pipe):
    prepare, forward, step = pipe.prepare_latents, pipe.transformer.forward, pipe.scheduler.step
    passes = []

    def prepared(*args, **kwargs):
        latents, pictures = prepare(*args, **kwargs)
        recorder.keep("noise", latents[0])
        recorder.keep("packed_input", torch.cat([latents, pictures], 1)[0])
        recorder.rows = latents.shape[1]
        return latents, pictures

    def predicted(*args, **kwargs):
        out = forward(*args, **kwargs)
        tag = "cond" if not passes else "uncond"
        passes.append(tag)
        tensor = out[0] if isinstance(out, tuple) else out.sample
        recorder.keep(f"step{recorder.step}.noise_pred_{tag}", tensor[0, :recorder.rows])
        return out

    def stepped(*args, **kwargs):
        out = step(*args, **kwargs)
        recorder.keep("sigmas", pipe.scheduler.sigmas)
        recorder.keep("timesteps", pipe.scheduler.timesteps)
        recorder.keep(f"step{recorder.step}.latents", (out[0] if isinstance(out, tuple) else out.prev_sample)[0])
        recorder.step += 1
        passes.clear()
        return out

    def block(i):
        def hook(_, __, out):
            if recorder.step == 0 and not passes:
                recorder.keep(f"step0.block{i}.txt", out[0][0])
                recorder.keep(f"step0.block{i}.img", out[1][0])
        return hook

    pipe.prepare_latents, pipe.transformer.forward, pipe.scheduler.step = prepared, predicted, stepped
    for i, one in enumerate(pipe.transformer.transformer_blocks):
        one.register_forward_hook(block(i))


def open_picture(path):
    """Upright, and on white: as firered decodes."""
    picture = ImageOps.exif_transpose(Image.open(path))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def size_of(case, config, picture):
    if case.get("width"):
        return case["width"], case["height"]
    area, ratio = config.get("output_area", 1024 * 1024), picture.width / picture.height
    width, height = module.calculate_dimensions(area, ratio)[:2]
    return width // 16 * 16, height // 16 * 16


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--blocks", action="store_true")
    parser.add_argument("model", type=Path)
    parser.add_argument("case", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    case = json.loads((args.case / "case.json").read_text())
    ours = args.model / "edit_config.json"
    config = json.loads(ours.read_text()) if ours.exists() else {}
    module.CONDITION_IMAGE_SIZE = config.get("condition_area", module.CONDITION_IMAGE_SIZE)
    module.VAE_IMAGE_SIZE = config.get("vae_area", module.VAE_IMAGE_SIZE)
    pipe = QwenImageEditPlusPipeline.from_pretrained(args.model, dtype=getattr(torch, args.dtype))
    pipe.set_progress_bar_config(disable=True)
    recorder = Recorder(args.blocks)
    for watch in (watch_text, watch_vae, watch_denoising):
        watch(recorder, pipe)
    pictures = [open_picture(args.case / name) for name in case["images"]]
    width, height = size_of(case, config, pictures[-1])
    with torch.no_grad():
        picture = pipe(image=pictures, prompt=case["prompt"], negative_prompt=case.get("negative_prompt") or " ",
                       true_cfg_scale=case["guidance_scale"], num_inference_steps=case["steps"], width=width,
                       height=height, generator=torch.Generator().manual_seed(case["seed"])).images[0]
    picture.save(args.out / "output.png")
    numpy.savez(args.out / "trace.npz", **recorder.trace)


if __name__ == "__main__":
    main()
