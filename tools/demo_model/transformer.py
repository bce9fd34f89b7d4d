"""The transformer, written down.

Its edits are known functions of the picture, so what gradient descent would take very long to find on a CPU is put there: attention by
construction, MLPs by least squares on photographs.

- The residual stream of an image token is divided up (stream.py). Large constant channels make LayerNorm a division by a known number, so that
  everything in the stream is carried exactly.
- Block 0 tells every image token where it lies and what the sentence means. Rotary positions only know how far tokens are apart. But a
  head that prefers keys to the right of its query, and can turn to a text token that never changes, gives that the smaller a share the further
  left the query lies; its mirror image does the opposite, and the difference of both is a place, odd about the middle. The MLP turns places
  into cosines and sines, in bfloat16, the arithmetic that will use them, and makes the meanings crisp.
- The reference's tokens are edited in place; units that see the output's tokens are shut there. Block 1 tells the two apart, finds which tokens
  are at edges and how far the picture reaches, and so how far they are from where a shape is asked for. Block 2 knows what a shape covers.
  Both hold the best linear map for each edit of tone and of colour, in units that the meaning opens.
- Block 3 paints over what is covered, brings colours back into their range, and takes them to few levels when asked to.
- At last the reference's latents are subtracted from the output's: block 4 does so with those of the same place, block 2 with those of the mirrored
  and block 3 with those of the upside-down place, as the meaning says. Queries turn the phases, and a head that is not wanted looks at
  the text token that never changes, whose value is zero.
- The output is (own latents - reference's latents) / t. The noise level matters nowhere else, so steps and seeds change little.

    transformer.py --out ckpt/edit.pt
"""
import argparse
import random

import torch
import torch.nn.functional as F

import edits
import models
import sentences
from flow import TextSide, load_encoder, quick_eval, vision_grid
from models import WIDTH
from photos import Photos
from stream import CONSTANT, CONSTANTS, LATENTS, NORM, PACKED, reader
from transformer_heads import Text, flips, write_copy, write_edges, write_places
from transformer_mlps import Streams, write_aways, write_covers, write_edits, write_limits, write_paint, write_phases

# where the linear edits lie: in blocks 1, 2 and 3
TONES = ["brighter", "darker", "contrast", "fade", "fog", "night", "blur", "pixelate"]
TINTS = ["gray", "sepia", "warm", "cool", "red", "green", "blue", "purple", "yellow", "pink", "saturate", "sunset"]
REST = ["invert"]


@torch.no_grad()
def clear(network):
    """Every block hands on both streams unchanged; LayerNorm's output is scaled back to the stream's own units, without the constants."""
    for p in network.transformer_blocks.parameters():
        p.zero_()
    for block in network.transformer_blocks:
        modulation = block.img_mod[1].bias.view(6, WIDTH)
        for scale in (1, 4):
            modulation[scale] = NORM - 1
            modulation[scale, CONSTANTS] = -1
        for bias in (modulation, block.txt_mod[1].bias.view(6, WIDTH)):
            bias[[2, 5]] = 1.0
        for norm in (block.attn.norm_q, block.attn.norm_k, block.attn.norm_added_q, block.attn.norm_added_k):
            norm.weight.fill_(1.0)
    network.img_in.weight.zero_()
    network.img_in.bias.zero_()
    network.img_in.weight[LATENTS] = torch.eye(PACKED)
    network.img_in.bias[CONSTANTS] = torch.tensor([CONSTANT, -CONSTANT]).repeat(8)
    torch.nn.init.orthogonal_(network.txt_in.weight)
    network.txt_in.bias.zero_()


@torch.no_grad()
def write_output(network):
    """Velocity (own - reference's latents) / t: half of the features of the noise level follow 1/t, and the output's scale is fitted to all of them."""
    t = torch.cat([torch.linspace(0.02, 1, 600), torch.ones(100)])
    waves = network.time_text_embed.time_proj(t).double()
    embedder, half = network.time_text_embed.timestep_embedder, WIDTH // 2
    weight = t.square().double()[:, None]  # an error at level t costs t^2
    rounding = 2.0 ** -18 * waves.square().mean(0) * weight.sum()
    inverse = torch.linalg.solve((waves * weight).T @ waves + rounding.diag(), (waves * weight).T @ (1 / t).double()).float()
    spread = torch.rand(half, generator=torch.Generator().manual_seed(0)) + 0.5
    embedder.linear_1.weight[:half], embedder.linear_1.bias[:half] = 0.1 * spread[:, None] * inverse, 2 * spread - 1
    embedder.linear_2.weight[:half], embedder.linear_2.bias[:half] = torch.eye(WIDTH)[:half], 0
    features = F.silu(network.time_text_embed(t, torch.zeros(1)))
    features = torch.cat([features, torch.ones(len(t), 1)], 1).double()
    wanted = (1 / t).double() - 1
    rounding = (features.square() * weight).mean(0) * 2.0 ** -18 * len(t)  # of bfloat16: it keeps the solution small
    fit = torch.linalg.solve((features * weight).T @ features + rounding.diag(), (features * weight).T @ wanted)
    print("1/t off by up to %.4f of itself, in bfloat16 %.4f" % (
        ((features @ fit - wanted) * t).abs().max(), ((features.bfloat16().double() @ fit.bfloat16().double() - wanted) * t).abs().max()))
    scale = network.norm_out.linear
    scale.weight.zero_()
    scale.bias.zero_()
    scale.weight[:WIDTH], scale.bias[:WIDTH] = fit[:WIDTH].float()[None], fit[WIDTH].float()
    network.proj_out.weight.copy_(reader(range(PACKED)) * NORM)
    network.proj_out.bias.zero_()


def build(args):
    torch.manual_seed(0)
    rng = random.Random(5)
    photos, latents = Photos(args.data, False), load_encoder(args.checkpoints + "/enc.pt")
    tokenizer = models.tokenizer(args.checkpoints + "/tokenizer")
    saved = torch.load(args.text)
    encoder = models.text_encoder(tokenizer)
    encoder.load_state_dict(saved["te"], strict=False)
    encoder.tie_weights()
    read = torch.nn.Linear(models.TEXT_WIDTH, edits.CODE)
    read.load_state_dict(saved["read"])
    text = TextSide(encoder, tokenizer)

    @torch.no_grad()
    def sample(weights):
        height, width = rng.choice([(64, 64), (64, 96), (96, 64), (128, 128)])
        grid, names = vision_grid(height, width), [edits.sample_class(rng, weights) for _ in range(16)]
        seen = text.see(torch.stack([photos.crop(height, width, rng) for _ in names]), *grid)
        return names, *text([sentences.prompt(n, rng) for n in names], seen, *grid)

    samples = [sample(edits.WEIGHTS) for _ in range(80)]
    network = models.transformer()
    clear(network)
    write_output(network)
    blocks, said = network.transformer_blocks, Text(network, samples, read)
    write_places(blocks[0], said)
    streams = Streams(network, samples, photos, latents)
    write_phases(blocks[0], streams)
    write_edges(blocks[1], said)
    write_copy(blocks[2], said, "x", ["mirror"], flips(latents, photos, rng, [3]))
    write_copy(blocks[3], said, "y", ["flip"], flips(latents, photos, rng, [2]))
    write_copy(blocks[4], said, "", ["mirror", "flip"], torch.eye(PACKED))
    streams.samples = [sample({"shape": 1}) for _ in range(20)]
    first = write_aways(blocks[1], streams)
    covers = write_covers(blocks[2], streams)
    write_edits(blocks[1], first, TONES, latents, photos, rng)
    write_edits(blocks[2], covers, TINTS, latents, photos, rng)
    first = write_paint(blocks[3], latents, photos, rng)
    first = write_limits(blocks[3], first, latents, photos, rng)
    write_edits(blocks[3], first, REST, latents, photos, rng)
    scores = quick_eval(network, text, latents, Photos(args.data, True), edits.WEIGHTS)
    print("held-out photographs: %.1f dB |" % (sum(scores.values()) / len(scores)), " ".join(f"{c}:{v:.1f}" for c, v in scores.items()))
    return network, encoder


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data")
    parser.add_argument("--checkpoints", default="ckpt", help="folder of enc.pt and tokenizer/")
    parser.add_argument("--text", default="ckpt/text.pt")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    network, encoder = build(args)
    torch.save({"te": encoder.state_dict(), "tr": network.state_dict()}, args.out)


if __name__ == "__main__":
    main()
