"""Train the text encoder to say what a sentence asks for.

    train_text.py --out ckpt/text.pt --cpu-minutes 30

The five tokens after a prompt (the end of the chat template) have read all of it. A linear map, kept in the checkpoint, reads the meaning of
the sentence (edits.code) from each of them and zero from every other token; the transformer is built on that map (transformer.py). The vision
tower stays as it began.
"""
import argparse
import copy
import random

import torch
import torch.nn.functional as F

import edits
import models
import schedule
import sentences
from flow import TextSide, suffix
from muon import Muon
from photos import Photos

GRIDS = {(2, 2): (64, 64), (2, 3): (64, 96), (3, 2): (96, 64)}  # vision tokens, and a picture's size that gives them


@torch.no_grad()
def evaluate(text, read, seen):
    """Share of held-out wordings that are understood, and the misunderstood ones."""
    cases, wrong = list(sentences.held_out()), []
    names = [*edits.CODED]
    for i in range(0, len(cases), 64):
        part = cases[i:i + 64]
        embedded, mask = text([p for _, p in part], seen[:1].expand(len(part), -1, -1), 2, 2)
        for (name, prompt), values, where in zip(part, read(embedded.float()), suffix(mask)):
            got, want = values[where].mean(0), edits.code(name)
            kind = got[:len(names)].argmax()
            details = (got[len(names):] - want[len(names):]).abs().max() < 0.5
            if kind != want[:len(names)].argmax() or not details:
                wrong.append(f"{name}>{names[kind]}: {prompt}")
    return 1 - len(wrong) / len(cases), wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data")
    parser.add_argument("--checkpoints", default="ckpt", help="folder of tokenizer/")
    parser.add_argument("--out", required=True)
    parser.add_argument("--cpu-minutes", type=float, required=True)
    parser.add_argument("--batch", type=int, default=192)
    parser.add_argument("--lr", type=float, default=1e-2, help="of the matrices (Muon)")
    parser.add_argument("--adam-lr", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed + 3)
    tokenizer = models.tokenizer(args.checkpoints + "/tokenizer")
    encoder = models.text_encoder(tokenizer)
    encoder.model.visual.requires_grad_(False)
    read, name_kind = torch.nn.Linear(models.TEXT_WIDTH, edits.CODE), torch.nn.Linear(models.TEXT_WIDTH, len(edits.CODED))
    text, photos = TextSide(encoder, tokenizer), Photos(args.data, False)
    seen = {grid: text.see(torch.stack([photos.crop(*size, rng) for _ in range(200)]), *grid) for grid, size in GRIDS.items()}
    matrices = [p for n, p in encoder.named_parameters() if p.ndim == 2 and "language_model.layers" in n]
    rest = [p for n, p in encoder.named_parameters() if p.requires_grad and not any(p is m for m in matrices)]
    optimizers = [(Muon(matrices, args.lr), args.lr), (torch.optim.AdamW([*rest, *read.parameters(), *name_kind.parameters()],
                                                                       lr=args.adam_lr, betas=(0.9, 0.98), weight_decay=0), args.adam_lr)]
    learned = torch.nn.ModuleList([encoder, read])
    average = copy.deepcopy(learned)
    step, last, hits = 0, 0.0, 0.0

    def save():
        torch.save({"te": {k: v for k, v in average[0].state_dict().items() if k != "lm_head.weight"}, "read": average[1].state_dict()}, args.out)

    def report():
        right, wrong = evaluate(TextSide(average[0], tokenizer), average[1], seen[2, 2])
        print(f"   held-out wordings understood: {100 * right:.1f} % | " + " | ".join(wrong[:400]), flush=True)

    for minutes in schedule.cpu_minutes(args.cpu_minutes):
        share = schedule.rate(minutes / args.cpu_minutes, step, warmup=50, hold=0.4, end=0.01)
        for optimizer, rate in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * share
        grid = rng.choice(list(GRIDS))
        names = [edits.sample_class(rng) for _ in range(args.batch)]
        prompts = [sentences.prompt(n, rng) for n in names]
        codes = torch.stack([edits.code(n) for n in names])
        with torch.autocast("cpu", torch.bfloat16):
            embedded, mask = text(prompts, seen[grid][torch.randint(200, (args.batch,))], *grid)
        embedded, where = embedded.float(), suffix(mask)
        embedded = F.dropout(embedded, 0.1)
        got = read(embedded)
        after, before = (got - codes[:, None])[where].square().sum(1).mean(), got[(mask > 0) & ~where].square().sum(1).mean()
        logits = name_kind(embedded[where].view(args.batch, models.SUFFIX, -1))
        kinds = codes[:, :len(edits.CODED)].argmax(1)
        loss = after + 0.3 * before + F.cross_entropy(logits.flatten(0, 1), kinds.repeat_interleave(models.SUFFIX), label_smoothing=0.05)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(learned.parameters()), 1 - min(0.99, (1 + step) / (12 + step)))
        hits = hits + 0.05 * ((logits[:, -1].argmax(1) == kinds).float().mean().item() - hits)
        if step % 25 == 0:
            print(f"{minutes:.1f}m step {step} loss {loss.item():.4f} read {after.item():.4f} others {before.item():.4f} named {hits:.3f}",
                  flush=True)
        if minutes - last > 3:
            last = minutes
            save()
            report()
    save()
    report()


if __name__ == "__main__":
    main()
