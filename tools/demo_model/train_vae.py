"""Train the VAE's decoder for the fixed linear encoder.

    train_vae.py --out ckpt/vae.pt --cpu-minutes 100     # ckpt/enc.pt is written beside it

First the convolutions outside its residual branches become the best linear decoder, in minutes; then all of it is trained. The loss
follows the score (mean PSNR): the logarithm of each crop's mean squared error, with a little of the gradients' error for crisp edges.
Latents get a little noise, since the transformer's are never exact.
"""
import argparse
import math
import os
import random

import torch
import torch.nn as nn

import schedule
from photos import Photos
from vae import Z, Decoder, LinearEncoder


def recolor(x):
    """Colour changes, solid shapes and few levels, so that edited pictures decode well too; x in [-1, 1], changed in place."""
    gray = x.mul(torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    size = x.shape[2]
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    for i in range(x.shape[0]):
        draw = random.random()
        if draw < 0.08:
            x[i] = gray[i]
        elif draw < 0.14:
            x[i] = -x[i]
        elif draw < 0.28:
            x[i] = ((x[i] + 1) * (torch.rand(3, 1, 1) * 0.9 + 0.25) - 1 + (torch.rand(3, 1, 1) - 0.5) * 0.4).clamp(-1, 1)
        elif draw < 0.36:
            x[i] = (x[i] * (random.random() * 1.5 + 0.4)).clamp(-1, 1)
        elif draw < 0.42:
            x[i] = (gray[i] + (x[i] - gray[i]) * 2).clamp(-1, 1)
        if random.random() < 0.06:
            color = torch.rand(3).round() * 2 - 1
            y, x0, radius = random.randint(0, size), random.randint(0, size), random.randint(8, 40)
            round_one = random.random() < 0.5
            inside = (rows - y) ** 2 + (columns - x0) ** 2 < radius * radius if round_one else ((rows - y).abs() < radius) & ((columns - x0).abs() < radius)
            x[i] = torch.where(inside[None], color.view(3, 1, 1), x[i])
        if random.random() < 0.07:
            x[i] = (((x[i] + 1) * 1.5).round() / 1.5) - 1
    return x


def write_encoder(photos, rng):
    """The encoder as the strongest directions of photographs' blocks.

    Blocks count in all four mirrorings, so that each direction is even or odd both ways: mirroring a picture only changes signs.
    """
    crops = torch.stack([photos.crop(64, 64, rng) for _ in range(2000)]) * 2 - 1
    blocks = torch.nn.functional.unfold(recolor(crops), 8, stride=8).transpose(1, 2).reshape(-1, 3, 8, 8)
    blocks = torch.cat([blocks.flip(axes) for axes in ([], [2], [3], [2, 3])]).flatten(1)
    center = blocks.mean(0)
    values, vectors = torch.linalg.eigh((blocks - center).double().T @ (blocks - center).double() / len(blocks))
    rows, deviation = vectors.float().flip(1)[:, :Z].T.contiguous(), values.float().flip(0)[:Z].sqrt()
    # strong channels (brightness, hue) keep a larger share of the transformer's numbers than with plain deviations
    return {"W": rows, "mean": rows @ center, "std": (deviation * deviation.mean()).sqrt()}


def begin_decoder(encoder, photos, rng, steps=3000, lr=4e-3):
    """The best linear decoder: 0.05 s a step where all of it takes 0.45."""
    decoder = Decoder()
    for convolution in [m for m in decoder.modules() if isinstance(m, nn.Conv2d) and m.weight.any()]:
        nn.init.orthogonal_(convolution.weight.flatten(1))
        nn.init.zeros_(convolution.bias)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=lr, betas=(0.9, 0.98))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * schedule.rate(step / steps, step, warmup=50, hold=0, end=0.02)
        x = recolor(torch.stack([photos.crop(64, 64, rng) for _ in range(8)]) * 2 - 1)
        error = decoder.straight(encoder(x)) - x
        optimizer.zero_grad()
        (error.square().mean((1, 2, 3)) + 2e-4).log().mean().backward()
        optimizer.step()
    decoder.begin_straight()
    return decoder.state_dict()


def loss_of(decoder, encoder, x):
    """The loss of pictures x [count, 3, size, size], and the mean squared error of each."""
    z = encoder(x)
    z = z + torch.randn_like(z) * 0.05 * torch.rand(len(x), 1, 1, 1)
    with torch.autocast("cpu", torch.bfloat16):
        out = decoder(z.contiguous(memory_format=torch.channels_last))
    error = out.float() - x
    dy, dx = error[:, :, 1:] - error[:, :, :-1], error[:, :, :, 1:] - error[:, :, :, :-1]
    mse = error.square().mean((1, 2, 3))
    return 0.1 * (mse + 2e-4).log().mean() + 0.15 * (dy.abs().mean() + dx.abs().mean()), mse


@torch.no_grad()
def evaluate(decoder, encoder, photos, size):
    """Mean PSNR over the middle of every held-out photograph."""
    scores = []
    for photo in photos.photos:
        levels = [p for p in photo["pyr"] if min(p.shape[1:]) >= size]
        if levels:
            level = min(levels, key=lambda p: p.shape[1])
            y, x = (level.shape[1] - size) // 2, (level.shape[2] - size) // 2
            picture = level[None, :, y:y + size, x:x + size].float() / 127.5 - 1
            error = (decoder(encoder(picture)).clamp(-1, 1) - picture).square().mean()
            scores.append(10 * math.log10(4 / error.item()))
    return sum(scores) / len(scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data")
    parser.add_argument("--resume", default="")
    parser.add_argument("--out", required=True)
    parser.add_argument("--cpu-minutes", type=float, required=True)
    parser.add_argument("--hold", type=float, default=0.4)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    photos, held = Photos(args.data, False), Photos(args.data, True)
    state = torch.load(args.resume) if args.resume else {"enc": write_encoder(photos, rng)}
    torch.save(state["enc"], os.path.join(os.path.dirname(args.out), "enc.pt"))
    encoder = LinearEncoder(state["enc"]["W"], state["enc"]["mean"], state["enc"]["std"]).requires_grad_(False)
    decoder, average = Decoder(), Decoder()
    if "dec" not in state:
        state["dec"] = begin_decoder(encoder, photos, rng)
    decoder.load_state_dict(state["dec"])
    average.load_state_dict(state["dec"])
    print("begins with held-out PSNR at 256: %.2f" % evaluate(average, encoder, held, 256), flush=True)
    decoder = decoder.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=args.lr, betas=(0.9, 0.97), weight_decay=0)
    if "optimizer" in state:
        optimizer.load_state_dict(state["optimizer"])

    def save():
        torch.save({"dec": average.state_dict(), "enc": encoder.state_dict(), "optimizer": optimizer.state_dict()}, args.out + ".part")
        os.replace(args.out + ".part", args.out)

    step, running, last = 0, None, 0.0
    for minutes in schedule.cpu_minutes(args.cpu_minutes):
        scale = schedule.rate(minutes / args.cpu_minutes, step, warmup=100, hold=args.hold, end=0.02)
        for group in optimizer.param_groups:
            group["lr"] = args.lr * scale
        x = recolor(torch.stack([photos.crop(args.size, args.size, rng) for _ in range(args.batch)]) * 2 - 1)
        loss, mse = loss_of(decoder, encoder, x)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        step += 1
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(decoder.parameters()), 1 - min(0.998, (1 + step) / (10 + step)))
        decibel = (10 * (4 / mse.detach()).log10()).mean().item()
        running = decibel if running is None else 0.98 * running + 0.02 * decibel
        if step % 100 == 0:
            print(f"{minutes:.1f}m step {step} loss {loss.item():.4f} training PSNR {running:.2f}", flush=True)
        if minutes - last > 3:
            last = minutes
            save()
            print("   held-out PSNR at 256: %.2f" % evaluate(average, encoder, held, 256), flush=True)
    save()
    print("final held-out PSNR at 256: %.2f, at 512: %.2f" % (evaluate(average, encoder, held, 256), evaluate(average, encoder, held, 512)))


if __name__ == "__main__":
    main()
