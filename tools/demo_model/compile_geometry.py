"""Put the three compiled blocks of geometry.py in front of a trained network of five blocks.

    compile_geometry.py --resume ckpt/colors.pt --out ckpt/geometry.pt

What is fitted here: the text keys (closed form), the products of phases (a small network on generated places), what turning does to a
token's latents (least squares on photographs), and the gates (a pooling head and an MLP that tell mirroring, turning over and half a turn
from all other prompts).
"""
import argparse
import random

import torch
import torch.nn.functional as F

import edits
import geometry as g
import models
from flow import TextSide, load_encoder, pack, vision_grid, vision_patches
from photos import Photos

TURNS = ("mirror", "flip", "rotate")
POOLED, GATE_ON = 16, -0.5


class Compiler:
    def __init__(self, args):
        self.rng = random.Random(5)
        self.photos, self.latents = Photos(args.data, False), load_encoder(args.checkpoints + "/enc.pt")
        tokenizer = models.tokenizer(args.checkpoints + "/tokenizer")
        saved = torch.load(args.resume)
        old, self.encoder = models.load(tokenizer, saved)
        self.text = TextSide(self.encoder, tokenizer)
        front = models.BLOCKS - len(old.transformer_blocks)
        self.network = models.transformer(models.BLOCKS)
        state = {}
        for name, value in old.state_dict().items():
            part = name.split(".")
            if part[0] == "transformer_blocks":
                part[1] = str(int(part[1]) + front)
            state[".".join(part)] = value
        self.network.load_state_dict(state, strict=False)
        self.blocks = self.network.transformer_blocks
        for block in self.blocks[:front]:
            g.pass_through(block)
        self.reader = g.Reader(self.network)

    def prompts(self, classes, rng):
        height, width = rng.choice([(64, 64), (64, 96), (96, 64), (128, 128)])
        rows, columns = vision_grid(height, width)
        pictures = torch.stack([self.photos.crop(height, width, rng) for _ in classes])
        return self.text([edits.prompt(c, rng) for c in classes], vision_patches(pictures, rows, columns), rows, columns)

    @torch.no_grad()
    def stream(self, height, width, depth, embedded):
        """The residual stream of both pictures after `depth` blocks, for a grid of tokens."""
        if max(height, width) <= 40:
            picture = self.photos.crop(height * 16, width * 16, self.rng)
        else:
            picture = torch.rand(3, height * 16, width * 16)
        reference = pack(self.latents(picture[None] * 2 - 1))
        caught = []
        hook = self.blocks[depth - 1].register_forward_hook(lambda module, inputs, output: caught.append(output[1]))
        blocks, self.network.transformer_blocks = self.blocks, self.blocks[:depth]
        self.network(torch.cat([torch.randn_like(reference), reference], 1), *embedded, torch.tensor([0.7]), [[(1, height, width)] * 2],
                     return_dict=False)
        self.network.transformer_blocks = blocks
        hook.remove()
        return caught[0][0]

    def products(self, samples):
        """Training data of the edges' MLP on many grids, then the fits."""
        inputs, outputs = [[] for _ in g.FREQUENCIES], [[] for _ in g.FREQUENCIES]
        grids = [(h, w) for h in range(2, 42, 2) for w in range(2, 42, 2)]
        self.rng.shuffle(grids)
        for height, width in [(16, 16), (32, 32), (26, 40), (40, 26), (20, 12), (12, 20), (26, 38), (38, 26), (28, 36), (36, 28)] + grids[:70]:
            embedding, mask = self.rng.choice(samples)
            codes = self.stream(height, width, 2, (embedding[:1], mask[:1])) @ self.reader.rows[65:161].float().T
            first = max(height, width) // 2  # place of the first text token
            columns = (torch.arange(width) - width // 2 - first).repeat(height).repeat(2)
            rows = (torch.arange(height) - height // 2 - first).repeat_interleave(width).repeat(2)
            for axis, u in ((0, columns), (1, rows)):
                pick = torch.randperm(len(u))[:160]
                for f, theta in enumerate(g.THETA):
                    channels = [c + part for c in (g.place(axis, f), g.extreme(2 * axis, f), g.extreme(2 * axis + 1, f)) for part in (0, 1)]
                    phases = [theta * p for p in (u.min() + u.max() - u, u - u.min(), u.max() - u)]
                    inputs[f].append(codes[pick][:, channels] / g.AMPLITUDE)
                    outputs[f].append(torch.stack([wave(p) for p in phases for wave in (torch.cos, torch.sin)], 1)[pick])
        return [g.fit_products(torch.cat(x), torch.cat(y)) for x, y in zip(inputs, outputs)]

    def change(self, axes):
        """What flipping a picture does to the packed latents of a token, as a matrix [64, 64]."""
        before, after = [], []
        for _ in range(60):
            picture = self.photos.crop(128, 128, self.rng)[None]
            before.append(pack(self.latents(picture * 2 - 1))[0])
            turned = pack(self.latents(picture.flip(axes) * 2 - 1))[0].view(8, 8, 64)
            after.append(turned.flip([a - 2 for a in axes]).reshape(-1, 64))
        before, after = torch.cat(before), torch.cat(after)
        matrix = torch.linalg.lstsq(before, after).solution.T
        print("turning latents: relative error %.4f" % ((before @ matrix.T - after).norm() / after.norm()))
        return matrix

    def gates(self, count, steps):
        """Train the pooling head of the first block and its MLP on prompts alone, with the arithmetic that image tokens will see."""
        other = [c for c in edits.FUNCTIONS if c not in TURNS] + ["border:" + c for c in edits.COLORS]
        other += [f"shape:{s}:{c}:{p}" for s in ("circle", "square") for c in edits.COLORS for p in edits.PLACES]
        rng, tokens, masks, wanted = random.Random(2), [], [], []
        with torch.no_grad():
            for _ in range(count // 60):
                classes = [rng.choice(TURNS) if rng.random() < 0.5 else rng.choice(other) for _ in range(60)]
                embedding, mask = self.prompts(classes, rng)
                x = F.layer_norm(self.network.txt_in(self.network.txt_norm(embedding)), (models.WIDTH,), eps=1e-6)[:, :64]
                tokens.append(F.pad(x, (0, 0, 0, 64 - x.shape[1])))
                masks.append(F.pad(mask[:, :64], (0, 64 - x.shape[1])))
                wanted.append(torch.tensor([[GATE_ON * (c == t) for t in TURNS] for c in classes]))
        tokens, masks, wanted = torch.cat(tokens), torch.cat(masks).bool(), torch.cat(wanted)
        held = len(tokens) // 8
        pairs = [first + i for first in (g.ROWS, g.COLUMNS) for i in (9, 10, 11, 12)]
        theta = torch.tensor([10000 ** (-2 * i / 28) for i in (9, 10, 11, 12)]).repeat(2)
        generator = torch.Generator().manual_seed(1)
        query = (torch.randn(POOLED, generator=generator) * 4).requires_grad_()
        keys = (torch.randn(POOLED, models.WIDTH, generator=generator) * 0.1).requires_grad_()
        values = (torch.randn(POOLED, models.WIDTH, generator=generator) / 16).requires_grad_()
        inner = (torch.randn(64, POOLED + 1, generator=generator) * 0.5).requires_grad_()
        outer = (torch.randn(3, 64, generator=generator) * 0.05).requires_grad_()
        attention = self.blocks[0].attn
        query_gain, key_gain, strong, spare = attention.norm_q.weight[0].item() * 8, attention.norm_added_k.weight[0].item() * 8, 25.3, 30.0

        def run(x, mask, first):
            raw = x @ keys.T
            key_scale = key_gain / (raw.square().sum(-1) + strong ** 2 + spare ** 2).sqrt()
            query_scale = query_gain / (query.square().sum() + strong ** 2).sqrt()
            angle = (first + torch.arange(x.shape[1]))[:, None] * theta  # of text tokens seen from the picture, about
            k = torch.complex(raw[..., 0::2], raw[..., 1::2]) * torch.polar(torch.ones_like(angle), angle)
            q = torch.complex(query[0::2], query[1::2])
            logits = ((q.conj() * k).real.sum(-1) + strong * strong) * key_scale * query_scale / 8
            pooled = torch.einsum("bs,bsd->bd", logits.masked_fill(~mask, -1e9).softmax(-1), x @ values.T)
            return F.gelu(torch.cat([pooled, torch.ones(len(x), 1)], 1) @ inner.T, approximate="tanh") @ outer.T

        rates = [0.1, 3e-3, 1e-2, 2e-3]
        optimizer = torch.optim.Adam([{"params": p} for p in ([query], [keys, values], [inner], [outer])])
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, steps)
        for _ in range(steps):
            pick = torch.randint(held, len(tokens), (96,), generator=generator)
            length = int(masks[pick].sum(1).max())
            got = run(tokens[pick, :length], masks[pick, :length], self.rng.randint(2, 20))
            loss = (got - wanted[pick]).square().mean() + 1e-5 * keys.square().sum() / 16
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            wrong = ((run(tokens[:held], masks[:held], 8) < GATE_ON / 2) != (wanted[:held] < GATE_ON / 2)).any(1).sum()
            print(f"gates: {wrong} of {held} held-out prompts wrong")
            for n, pair in enumerate(pairs):
                for part in (0, 1):
                    attention.to_q.bias[192 + 2 * pair + part] = query[2 * n + part]
                    attention.add_k_proj.weight[192 + 2 * pair + part] = keys[2 * n + part]
            attention.add_v_proj.weight[192:192 + POOLED] = values
            for i in range(POOLED):
                attention.to_out[0].weight[g.FREE + g.COMMAND + i, 192 + i] = g.AMPLITUDE
            mlp = self.blocks[0].img_mlp
            readers = torch.stack([self.reader.code(g.COMMAND + i) for i in range(POOLED)]) / g.AMPLITUDE
            mlp.net[0].proj.weight[:64] = inner[:, :POOLED] @ readers + inner[:, POOLED:] * self.reader.one()[None]
            mlp.net[2].weight[g.FREE + g.GATE:g.FREE + g.GATE + 3, :64] = outer

    def compile(self, args):
        with torch.no_grad():
            samples = [self.prompts([edits.sample_class(self.rng) for _ in range(16)], self.rng) for _ in range(60)]
        constant, other = g.text_tokens(self.network, samples)
        marker = g.mark_constant(constant, other, torch.ones(g.ANCHORS))
        sink = g.mark_constant(constant, other, torch.eye(g.ANCHORS)[0])
        g.build_read(self.blocks[0], constant, other, marker)
        g.build_edges(self.blocks[1], self.reader)
        g.write_products(self.blocks[1], self.reader, self.products(samples))
        with torch.no_grad():
            copier = self.blocks[3].attn
            copy = copier.to_out[0].weight[64:128, :64] @ copier.to_v.weight[:64] @ self.network.img_in.weight / g.NORM
            g.build_turn(self.blocks[2], self.reader, sink, [self.change([3]), self.change([2]), self.change([2, 3])], copy)
        self.gates(args.prompts, args.steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data")
    parser.add_argument("--checkpoints", default="ckpt", help="folder of enc.pt and tokenizer/")
    parser.add_argument("--resume", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--prompts", type=int, default=6000)
    parser.add_argument("--steps", type=int, default=1500)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    compiler = Compiler(args)
    compiler.compile(args)
    encoder = {k: v.half() for k, v in compiler.encoder.state_dict().items() if k != "lm_head.weight"}
    torch.save({"te": encoder, "tr": compiler.network.state_dict()}, args.out)


if __name__ == "__main__":
    main()
