"""Train the text encoder and the transformer together, by flow matching on the arithmetic of QwenImageEditPlusPipeline.

    train_edit.py --out ckpt/colors.pt --cpu-minutes 60 --weights mirror=0,flip=0,rotate=0,border=0,shape=0
    train_edit.py --resume ckpt/geometry.pt --out ckpt/edit.pt --cpu-minutes 60

A sample is a crop of a photograph, an edit, a sentence for it. The loss is the root of the error of the predicted clean latents, so
that neither noise levels nor classes with large errors dominate; a linear probe on the last text token, trained to name the class, keeps
wordings apart (it is dropped afterwards). Learning rates fall to `--end` of their value over the last part of `--cpu-minutes`,
which counts CPU time, so that a paused run loses nothing. Checkpoints hold the averaged weights and everything to go on from.
"""
import argparse
import copy
import os
import random

import torch
import torch.nn.functional as F

import edits
import models
import schedule
from flow import TextSide, flow_loss, load_encoder, quick_eval
from photos import Photos

# (height, width, batch): every size costs about the same time; the long ones teach the attention to stay sharp
SIZES = {
    "small": [(64, 64, 32), (64, 96, 24), (96, 64, 24), (96, 96, 20), (128, 128, 14)],
    "mixed": [(64, 64, 32)] * 3 + [(96, 96, 20)] * 3 + [(128, 128, 14)] * 2 + [(96, 160, 14), (160, 96, 14), (192, 192, 6), (256, 256, 4)]
    + [(320, 192, 4), (192, 320, 4), (384, 256, 3), (256, 384, 3), (512, 512, 1)],
    "large": [(96, 96, 20), (128, 128, 14)] * 2 + [(256, 256, 4)] * 4 + [(320, 192, 4), (192, 320, 4), (384, 256, 3), (256, 384, 3)]
    + [(512, 512, 1)] * 2 + [(640, 416, 1), (416, 640, 1)],
}


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonalised updates (Newton-Schulz), for matrices. The direction of the constant channels (models.ANCHOR) is
    taken out of the gradient of matrices that read the residual stream: biases do its work."""

    def __init__(self, params, lr, momentum=0.95, iterations=3):
        super().__init__(params, dict(lr=lr, momentum=momentum, iterations=iterations))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                if getattr(p, "anchored", False):
                    p.grad.addr_(p.grad @ models.ANCHOR, models.ANCHOR, alpha=-1)
                state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(state["momentum"], group["momentum"])
                tall = update.shape[0] > update.shape[1]
                x = (update.T if tall else update).bfloat16()  # a rough orthogonalisation will do
                x = x / (x.norm() + 1e-12)
                for _ in range(group["iterations"]):
                    a = x @ x.T
                    x = torch.addmm(x, torch.addmm(a, a, a, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
                p.add_((x.T if tall else x).float(), alpha=-group["lr"] * max(1, p.shape[0] / p.shape[1]) ** 0.5)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data")
    parser.add_argument("--checkpoints", default="ckpt", help="folder of enc.pt and tokenizer/")
    parser.add_argument("--resume", default="", help="checkpoint to start from")
    parser.add_argument("--out", required=True)
    parser.add_argument("--cpu-minutes", type=float, required=True)
    parser.add_argument("--hold", type=float, default=0.5, help="share of the time at full learning rate")
    parser.add_argument("--end", type=float, default=0.03, help="last learning rate as a share of the first")
    parser.add_argument("--lr", type=float, default=3e-3, help="of the matrices (Muon)")
    parser.add_argument("--adam-lr", type=float, default=6e-4)
    parser.add_argument("--sizes", choices=SIZES, default="mixed")
    parser.add_argument("--extra-prompts", type=int, default=24, help="sentences a step for the wording probe alone")
    parser.add_argument("--weights", default="", help="class weights to change: name=value,...")
    parser.add_argument("--eval-minutes", type=float, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


# what of the compiled blocks still learns: which prompts open the gates (rows of head 3 and its MLP), and what turning copies
GATES = {"0.attn.to_q.bias": slice(192, 256), "0.attn.add_k_proj.weight": slice(192, 256), "0.attn.add_v_proj.weight": slice(192, 256),
         "0.img_mlp.net.0.proj.weight": slice(0, 64), "0.img_mlp.net.2.weight": slice(248, 251)}
TURNED = ("2.attn.to_v.weight", "2.attn.to_out.0.weight")


class Live:
    """The parameters that learn, by optimizer: matrices, structured vectors and matrices, text, gates, turned copies."""

    def __init__(self, transformer, encoder, probe):
        front = models.block_count(transformer) - models.FIRST_BLOCKS
        encoder.model.visual.requires_grad_(False)
        self.matrices, self.structured, self.gates, self.turned, self.masks = [], [], [], [], []
        for name, p in transformer.named_parameters():
            inner = name.removeprefix("transformer_blocks.")
            compiled = inner != name and int(inner.split(".")[0]) < front
            image = inner != name and (".attn.to_" in name and "add" not in name or "img_mlp" in name)
            if compiled and inner in GATES:
                mask = torch.zeros_like(p)
                mask[GATES[inner]] = 1
                self.masks.append((p, mask))
                self.gates.append(p)
            elif compiled and inner in TURNED:
                self.turned.append(p)
            elif compiled or front and name.startswith(("img_in", "txt_norm", "txt_in")):  # the compiled blocks are fitted to these
                p.requires_grad_(False)
            elif p.ndim == 2 and image:
                self.matrices.append(p)
                p.anchored = inner.endswith(("to_q.weight", "to_k.weight", "to_v.weight", "img_mlp.net.0.proj.weight"))
            else:
                self.structured.append(p)
        learning = [(n, p) for n, p in encoder.named_parameters() if p.requires_grad]
        self.matrices += [p for n, p in learning if p.ndim == 2 and "language_model.layers" in n]
        self.text = [p for n, p in learning if not (p.ndim == 2 and "language_model.layers" in n)] + list(probe.parameters())

    def optimizers(self, rate, adam_rate):
        """Pairs of optimizer and learning rate."""
        groups = [(self.structured, adam_rate * 0.2), (self.text, adam_rate), (self.gates, adam_rate), (self.turned, adam_rate * 0.25)]
        pairs = [(torch.optim.AdamW(g, lr=r, betas=(0.9, 0.98), weight_decay=0), r) for g, r in groups if g]
        return pairs + [(Muon(self.matrices, rate), rate)]

    def clip(self):
        for p, mask in self.masks:
            p.grad *= mask
        torch.nn.utils.clip_grad_norm_(self.structured + self.text + self.gates + self.turned, 1.0)
        torch.nn.utils.clip_grad_norm_(self.matrices, 1.0)


def main():
    args = parse()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed + 11)
    weights = dict(edits.WEIGHTS)
    for item in filter(None, args.weights.split(",")):
        name, value = item.split("=")
        weights[name] = float(value)
    tokenizer = models.tokenizer(args.checkpoints + "/tokenizer")
    saved = torch.load(args.resume) if args.resume else {}
    transformer, encoder = models.load(tokenizer, saved)
    probe = torch.nn.Linear(models.WIDTH, len(edits.KINDS))
    if "probe" in saved:
        probe.load_state_dict(saved["probe"])
    latents = load_encoder(args.checkpoints + "/enc.pt")
    photos, held = Photos(args.data, False), Photos(args.data, True)
    average = copy.deepcopy(transformer), copy.deepcopy(encoder)
    text = TextSide(encoder, tokenizer)
    live = Live(transformer, encoder, probe)
    optimizers, rates = zip(*live.optimizers(args.lr, args.adam_lr))
    if "optimizers" in saved:
        for optimizer, state in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
    step, last_eval, last_save = 0, 0.0, 0.0
    errors, hits = {}, 0.0

    def save():
        half = [{k: v.half() for k, v in m.state_dict().items() if k != "lm_head.weight"} for m in average]
        torch.save({"tr": half[0], "te": half[1], "step": step}, args.out + ".part")
        os.replace(args.out + ".part", args.out)
        torch.save({"tr": transformer.state_dict(), "te": encoder.state_dict(), "probe": probe.state_dict(),
                    "optimizers": [o.state_dict() for o in optimizers], "step": step},
                   args.out + ".full.part")
        os.replace(args.out + ".full.part", args.out + ".full")

    def evaluate(n):
        scores = quick_eval(average[0], TextSide(average[1], tokenizer), latents, held, weights, n=n)
        print("   EVAL %.2f | " % (sum(scores.values()) / len(scores)) + " ".join(f"{c}:{v:.1f}" for c, v in scores.items()), flush=True)

    for minutes in schedule.cpu_minutes(args.cpu_minutes):
        scale = schedule.rate(minutes / args.cpu_minutes, step, warmup=60, hold=args.hold, end=args.end)
        for optimizer, rate in zip(optimizers, rates):
            for group in optimizer.param_groups:
                group["lr"] = rate * scale
        batch = photos.batch(*rng.choice(SIZES[args.sizes]), rng, weights)
        extra = [edits.sample_class(rng, weights) for _ in range(args.extra_prompts)]
        with torch.autocast("cpu", torch.bfloat16):
            error, t, last = flow_loss(transformer, text, latents, batch, rng, [edits.prompt(c, rng) for c in extra])
        named = torch.tensor([edits.KINDS.index(c.split(":")[0]) for c in batch.classes + extra])
        logits = probe(last.float())
        loss = (error * t * t + 1e-3).sqrt().mean() + 0.3 * F.cross_entropy(logits, named)
        loss.backward()
        transformer.proj_out.weight.grad[:, models.ANCHORS] = 0
        live.clip()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        with torch.no_grad():
            keep = min(0.995, (1 + step) / (12 + step))
            for slow, fast in zip(average, (transformer, encoder)):
                torch._foreach_lerp_(list(slow.parameters()), list(fast.parameters()), 1 - keep)
        hits = hits + 0.02 * ((logits.argmax(1) == named).float().mean().item() - hits)
        for c, e, u in zip(batch.classes, error.detach().tolist(), t.tolist()):
            if u > 0.8:
                c = c.split(":")[0]
                errors[c] = 0.93 * errors.get(c, e) + 0.07 * e
        if step % 50 == 0:
            values = sorted(errors.values())
            print(f"{minutes:.1f}m step {step} loss {loss.item():.4f} mean {sum(values) / len(values):.4f} median {values[len(values) // 2]:.4f}"
                  f" named {hits / (1 - 0.98 ** step):.3f}", flush=True)
        if step % 200 == 0:
            print("   " + " ".join(f"{c}:{v:.3f}" for c, v in errors.items()), flush=True)
        if minutes - last_save > 3:
            last_save = minutes
            save()
        if minutes - last_eval > args.eval_minutes:
            last_eval = minutes
            evaluate(2)
    save()
    evaluate(3)


if __name__ == "__main__":
    main()
