"""The transformer's MLPs: phases, distances, what is covered, linear edits, limits, paint (see transformer.py)."""
import random

import torch
import torch.nn.functional as F

import edits
from flow import pack
from stream import AWAY, COVER, EDGE, EXTREME, FREQUENCIES, MEANING, PACKED, PHASES, REFERENCE, read_place, reader


class Streams:
    """The stream of image tokens before a block's MLP, on grids of many sizes, in bfloat16 as the engine runs."""

    def __init__(self, network, samples, photos, latents):
        """`samples`: (names, embeddings, mask) of prompts."""
        self.network, self.samples, self.photos, self.latents = network, samples, photos, latents
        self.grids = [(16, 16), (32, 32), (26, 40), (40, 26), (24, 16), (16, 24), (26, 38), (38, 26), (28, 36), (36, 28), (8, 8), (8, 12), (12, 8),
                      (20, 20), (12, 16), (16, 12), (20, 12), (12, 20), (30, 34), (34, 30), (22, 44), (44, 22), (18, 54), (54, 18), (4, 6), (6, 4)]

    @torch.no_grad()
    def __call__(self, index, grid, dtype, number=0):
        """What the MLP of block `index` reads [tokens, WIDTH], for both pictures, and the edit asked for; `number` draws the sample."""
        height, width = grid
        rng, noise = random.Random(f"{grid}{number}"), torch.Generator().manual_seed(number)
        picture = self.photos.crop(min(height, 40) * 16, min(width, 40) * 16, rng)
        picture = F.interpolate(picture[None], size=(height * 16, width * 16))
        reference = pack(self.latents(picture * 2 - 1))
        names, embedded, mask = rng.choice(self.samples)
        which = rng.randrange(len(mask))
        embedded, mask = embedded[which:which + 1, :mask[which].sum()], mask[which:which + 1, :mask[which].sum()]
        caught = []
        network = torch.nn.Module.to(self.network, dtype)
        hook = network.transformer_blocks[index].img_mlp.register_forward_pre_hook(lambda module, inputs: caught.append(inputs[0][0].float()))
        blocks, network.transformer_blocks = network.transformer_blocks, network.transformer_blocks[:index + 1]
        both = torch.cat([torch.randn(reference.shape, generator=noise), reference], 1).to(dtype)
        network(both, embedded.to(dtype), mask, torch.tensor([0.7]).to(dtype), [[(1, height, width)] * 2], return_dict=False)
        network.transformer_blocks = blocks
        hook.remove()
        return caught[0], names[which]


def gelu(x):
    return F.gelu(x, approximate="tanh").bfloat16().float()


def ridge(hidden, wanted, weight=1e-4):
    solution = torch.linalg.solve(hidden.T.double() @ hidden.double() + weight * len(hidden) * torch.eye(hidden.shape[1]),
                                  hidden.T.double() @ wanted.double())
    return solution.float().T


def ridge_units(inputs, units, slope, reach, generator):
    """Hidden units that turn at random lines through the space of `inputs` (rows that read the stream): weights and biases."""
    directions = torch.randn(units, len(inputs), generator=generator)
    directions /= directions.norm(dim=1, keepdim=True)
    shift = (torch.rand(units, generator=generator) * 2 - 1) * reach
    return slope * directions @ torch.stack(inputs), -slope * shift


@torch.no_grad()
def write_phases(block, streams):
    inner, outer, bias = block.img_mlp.net[0].proj, block.img_mlp.net[2].weight, block.img_mlp.net[2].bias
    samples = [(grid, number) for grid in streams.grids for number in range(2)]
    rough = torch.cat([streams(0, grid, torch.bfloat16, number)[0] for grid, number in samples])
    torch.nn.Module.float(streams.network)
    exact = torch.cat([streams(0, grid, torch.float32, number)[0] for grid, number in samples])
    sizes = [2 * grid[0] * grid[1] for grid, _ in samples]
    used = 0
    for axis in ("x", "y"):
        place = exact @ read_place(axis)
        got = rough @ read_place(axis)
        place = torch.cat([p * (p @ g) / (p @ p) for p, g in zip(place.split(sizes), got.split(sizes))])  # a common factor is no error
        print("places %s from %.3f to %.3f, off by %.4f" % (axis, place.min(), place.max(), (got - place).std()))
        knots = torch.linspace(0, 0.95, 200)
        slope, offset = torch.cat([torch.full((200,), 40.0), torch.full((200,), -40.0)]), -40 * torch.cat([knots, knots])
        rows = slice(used, used + 400)
        inner.weight[rows], inner.bias[rows] = slope[:, None] * read_place(axis), offset
        used += 400
        hidden = gelu(rough @ inner.weight[rows].bfloat16().float().T + inner.bias[rows])
        angles = place[:, None] * torch.tensor(FREQUENCIES)
        wanted = torch.stack([angles.cos(), angles.sin()], 2).flatten(1)
        hidden = torch.cat([hidden, torch.ones(len(hidden), 1)], 1)
        fit = ridge(hidden, wanted)
        print("phases off by", ((hidden @ fit.T - wanted).square().mean(0).sqrt()[1::2]))
        channels = slice(PHASES[axis], PHASES[axis] + 10)
        outer[channels, rows], bias[channels] = fit[:, :-1], fit[:, -1]
    # meanings made crisp: a step at 1/2 instead of m; places and figures have two steps
    far = 2 * edits.PLACES["right"][1] - 1
    for index in range(edits.CODE):
        channel, top = MEANING.start + index, 1.0 if index < edits.CODE - 3 or index == edits.CODE - 1 else far
        read = reader([channel])[0]
        units = [(1.0, 0.0, -1.0), (-1.0, 0.0, 1.0)]  # gelu(m) - gelu(-m) = m
        for shift in (-0.5,) if index < edits.CODE - 3 else (-0.5, 0.5):
            units += [(8 / top, 8 * (shift + 0.2), top / 3.2), (8 / top, 8 * (shift - 0.2), -top / 3.2)]
        for slope, shift, gain in units:
            inner.weight[used], inner.bias[used], outer[channel, used] = slope * read, shift, gain
            used += 1
        bias[channel] = 0.0 if index < edits.CODE - 3 else -top
    assert used <= inner.weight.shape[0]


def shapes_seen(streams, index, samples):
    """[(grid, edit, what block `index`'s MLP reads)] of shapes whose sentence was understood."""
    seen = [(grid, *streams(index, grid, torch.bfloat16, number)) for grid, number in samples]
    torch.nn.Module.float(streams.network)
    meaning = reader(range(MEANING.start, MEANING.stop)).T
    return [(grid, name, x) for grid, x, name in seen if ((x @ meaning).mean(0) - edits.code(name)).abs().max() < 0.1]


def away(grid, name):
    """How far tokens of both pictures are from a shape's place, in halves of the shorter side, bent to +-0.6: {axis: [tokens]}."""
    height, width = grid
    row, column = edits.PLACES[name.split(":")[3]]
    short = min(height, width) / 2
    columns = ((torch.arange(width) + 0.5 - column * width) / short).repeat(height)
    rows = ((torch.arange(height) + 0.5 - row * height) / short).repeat_interleave(width)
    return {axis: 0.6 * torch.tanh(far.repeat(2) / 0.6) for axis, far in (("x", columns), ("y", rows))}


def covered(grid, name):
    """How much of each of a token's four 8x8 blocks shape `name` covers [tokens of both pictures, 4]."""
    height, width = grid
    _, figure, _, place = name.split(":")
    mask = edits.shape(torch.zeros(3, height * 16, width * 16), figure, (1.0, 1.0, 1.0), edits.PLACES[place])[:1]
    share = F.avg_pool2d(mask[None], 8)[0, 0].view(height, 2, width, 2).permute(0, 2, 1, 3).reshape(-1, 4)
    return share.repeat(2, 1)


@torch.no_grad()
def write_aways(block, streams, units=400):
    """How far a token is from the place asked for, and whether a border covers it. Returns the first unit that is free."""
    inner, outer, bias = block.img_mlp.net[0].proj, block.img_mlp.net[2].weight, block.img_mlp.net[2].bias
    seen = shapes_seen(streams, 2, [(grid, number) for grid in streams.grids for number in range(5)])
    generator = torch.Generator().manual_seed(0)
    x = torch.cat([tokens for _, _, tokens in seen])
    for number, axis in enumerate(("x", "y")):
        wanted = torch.cat([away(grid, name)[axis] for grid, name, _ in seen])
        inputs = [1.5 * read_place(axis), *reader([EXTREME["x"], EXTREME["y"]]), reader([MEANING.stop - 3 + (axis == "x")])[0]]
        rows = slice(units * number, units * number + units)
        inner.weight[rows], inner.bias[rows] = ridge_units(inputs, units, 6.0, 0.6, generator)
        hidden = gelu(x @ inner.weight[rows].bfloat16().float().T + inner.bias[rows])
        hidden = torch.cat([hidden, torch.ones(len(hidden), 1)], 1)
        weight = torch.where(wanted.abs() < 0.5, 1.0, 0.5)[:, None]
        fit = ridge(hidden * weight, wanted[:, None] * weight, 1e-7)[0]
        near = wanted.abs() < 0.45
        error = (hidden @ fit - wanted).square()
        print("distances off by %.4f, near the place %.4f" % (error.mean().sqrt(), error[near].mean().sqrt()))
        outer[AWAY[axis], rows], bias[AWAY[axis]] = fit[:-1], fit[-1]
    edge = reader([EDGE.start, EDGE.stop - 1])
    inside = (seen[0][2] @ edge.T).view(2, *seen[0][0], 2)[0]
    print("above left %.2f %.2f %.2f, below right %.2f %.2f %.2f" % (*inside[0, :, 0][[0, 5, -1]], *inside[-1, :, 1][[0, 5, -1]]),
          "within", inside[1:, 1:, 0].min(), inside[:-1, :-1, 1].min())
    border = 2 * reader([MEANING.start + edits.CODED.index("border")])[0] - edge.sum(0)  # + 2: 3 and more where a border is
    for unit, (shift, gain) in enumerate(((-0.3, 1 / 3.2), (-0.7, -1 / 3.2)), 2 * units):
        inner.weight[unit], inner.bias[unit] = 8 * border, 8 * shift
        outer[COVER, unit] = gain
    return 2 * units + 2


@torch.no_grad()
def write_covers(block, streams, units=560):
    """What a shape covers, from the distances to its place."""
    inner, outer = block.img_mlp.net[0].proj, block.img_mlp.net[2].weight
    seen = shapes_seen(streams, 3, [(grid, number) for grid in streams.grids[:20] for number in range(7)])
    generator = torch.Generator().manual_seed(1)
    x = torch.cat([tokens for _, _, tokens in seen])
    wanted = torch.cat([covered(grid, name) for grid, name, _ in seen])
    figure = reader([MEANING.stop - 1])[0]
    inputs = [reader([AWAY["x"]])[0], reader([AWAY["y"]])[0]]
    for number, sign in enumerate((1, -1)):
        rows = slice(units * number, units * number + units)
        inner.weight[rows], inner.bias[rows] = ridge_units(inputs, units, 20.0, 0.6, generator)
        if sign < 0:  # squares: mostly lines along the axes
            straight = slice(rows.start, rows.start + units // 2)
            for half, axis in enumerate(inputs):
                inner.weight[straight][half::2] = 20.0 * axis
        inner.weight[rows] += 32.0 * sign * figure  # of the other figure, or none: never positive
        inner.bias[rows] -= 32.0
        pick = torch.cat([torch.full((len(tokens),), (name.split(":")[1] == "circle") == (sign > 0)) for _, name, tokens in seen])
        near = ((x[pick] @ inputs[0]).abs().maximum((x[pick] @ inputs[1]).abs()) < 0.45)
        hidden = gelu(x[pick] @ inner.weight[rows].bfloat16().float().T + inner.bias[rows])
        weight = torch.where(near, 1.0, 0.5)[:, None]
        fit = ridge(hidden * weight, wanted[pick] * weight, 1e-5)
        error = (hidden @ fit.T - wanted[pick]).square()
        print("cover off by %.3f, near the shape %.3f of %.3f" % (error.mean().sqrt(), error[near].mean().sqrt(), wanted[pick][near].std()))
        outer[COVER, rows] = fit


def tokens_of(latents, pictures):
    return pack(latents(pictures * 2 - 1)).flatten(0, 1)


@torch.no_grad()
def write_edits(block, latents, photos, rng, size=9.0):
    """Each edit of colour and tone as the best linear map of a token's latents, in the hidden units of an MLP that the meaning opens.

    A unit sees one direction of the latents (deviation 1), plus `size` where the edit is asked for, minus it where not: so it is linear, or off.
    Directions are shared out among the edits by how much error they save. Colours may leave their range here: write_limits brings them back.
    """
    inner, outer = block.img_mlp.net[0].proj, block.img_mlp.net[2].weight
    units, found = inner.weight.shape[0], []
    kinds = [k for k in edits.CODED if k not in ("keep", "mirror", "flip", "border", "shape", "posterize")]
    pictures = torch.stack([photos.crop(128, 128, rng) for _ in range(160)])
    before = tokens_of(latents, pictures).double()
    middle = before.mean(0)
    covariance = (before - middle).T @ (before - middle) / len(before) + 0.1 * torch.eye(PACKED)
    values, vectors = torch.linalg.eigh(covariance)
    unroot = vectors / values.sqrt() @ vectors.T
    constant = {}
    for kind in kinds:
        after = tokens_of(latents, torch.stack([edits.FUNCTIONS[kind](p) for p in pictures])).double()
        constant[kind] = (after - before).mean(0)
        whitened = torch.linalg.lstsq((before - middle) @ unroot, after - before - constant[kind]).solution.T  # (M - 1) C^(1/2)
        u, strengths, v = torch.linalg.svd(whitened)
        found += [(s.item(), kind, u[:, k] * s, unroot @ v[k]) for k, s in enumerate(strengths)]
    found = sorted(found, key=lambda item: -item[0])[:units - len(kinds)]
    print("units for edits:", {k: sum(f[1] == k for f in found) for k in kinds}, "left out: %.4f" % found[-1][0])
    meaning = {k: reader([MEANING.start + edits.CODED.index(k)])[0] for k in kinds}
    latent = reader(list(range(REFERENCE.start, REFERENCE.stop)))
    for unit, (_, kind, writes, reads) in enumerate(found):
        inner.weight[unit] = reads.float() @ latent + 2 * size * meaning[kind]
        inner.bias[unit] = -(reads @ middle).float() - size
        outer[REFERENCE, unit] = writes.float()
        constant[kind] = constant[kind] - writes * size
    for unit, kind in enumerate(kinds, len(found)):
        inner.weight[unit], inner.bias[unit] = 20 * meaning[kind], -10.0
        outer[REFERENCE, unit] = constant[kind].float() / 10


@torch.no_grad()
def write_paint(block, latents, photos, rng, size=12.0):
    """Where COVER is above 1/2, the colour asked for takes the place of the reference's latents."""
    inner, outer = block.img_mlp.net[0].proj, block.img_mlp.net[2].weight
    cover, latent = reader(range(COVER.start, COVER.stop)), reader(range(REFERENCE.start, REFERENCE.stop))
    pictures = torch.stack([photos.crop(128, 128, rng) for _ in range(60)])
    spread = 2 * latents(pictures * 2 - 1).std((0, 2, 3))  # photographs have long tails
    for k in range(PACKED):  # gelu(z + opening) - gelu(opening) is z where open, and 0 where not
        opening = 2 * size * cover[k % 4]
        inner.weight[k], inner.bias[k] = latent[k] / spread[k // 4] + opening, -size
        inner.weight[PACKED + k % 4], inner.bias[PACKED + k % 4] = opening, -size
        outer[REFERENCE.start + k, k], outer[REFERENCE.start + k, PACKED + k % 4] = -spread[k // 4], spread[k // 4]
    unit = PACKED + 4
    for index, color in enumerate(edits.COLORS.values()):
        named = reader([MEANING.start + len(edits.CODED) + index])[0]
        paint = latents(torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, 8, 8) * 2 - 1)[0, :, 0, 0]
        for quarter in range(4):
            for level, gain in ((1.4, 1 / 6), (1.6, -1 / 6)):  # a step from 0 to 1 about 1.5: covered, and this colour
                inner.weight[unit], inner.bias[unit] = 30 * (cover[quarter] + named), -30 * level
                outer[range(REFERENCE.start + quarter, REFERENCE.stop, 4), unit] = gain * paint
                unit += 1


def quarter_colors(latents):
    """Rows [48, PACKED] and offsets that read the mean colours, 0 to 1, of a token's 4x4 pixel squares from its latents."""
    inverse = torch.linalg.pinv(latents.W)  # of the block transform
    reads = (inverse * latents.std).view(3, 2, 4, 2, 4, -1).mean((2, 4)).reshape(12, -1) / 2
    offsets = (inverse @ latents.mean).view(3, 2, 4, 2, 4).mean((2, 4)).flatten() / 2 + 0.5
    rows = torch.zeros(4, 12, PACKED)
    for block in range(4):
        rows[block, :, block::4] = reads
    return rows.flatten(0, 1), offsets.repeat(4)


@torch.no_grad()
def write_limits(block, first, latents, photos, rng, slope=30.0):
    """Colours beyond 0 and 1 are brought back, and posterizing takes them to its levels: hidden units that bend where the mean of a 4x4 square
    passes a level, with least squares for what follows from it. They begin at unit `first`."""
    inner, outer = block.img_mlp.net[0].proj, block.img_mlp.net[2].weight
    rows, offsets = quarter_colors(latents)
    latent = rows @ reader(list(range(REFERENCE.start, REFERENCE.stop)))
    pictures = [photos.crop(128, 128, rng) for _ in range(500)]
    kinds = ["keep", "invert", "warm", "cool", "yellow", "pink", "purple", "red"] + 2 * ["contrast", "brighter", "saturate"]
    beyond = tokens_of(latents, torch.stack([edits.FUNCTIONS[kinds[i % len(kinds)]](p) for i, p in enumerate(pictures)]))
    within = tokens_of(latents, torch.stack([edits.apply(kinds[i % len(kinds)], p) for i, p in enumerate(pictures)]))
    plain = tokens_of(latents, torch.stack(pictures))
    levels = tokens_of(latents, torch.stack([edits.apply("posterize", p) for p in pictures]))
    bends = [(1, 1.0), (-1, 0.0)]
    steps = [(1, level + side) for level in (1 / 6, 1 / 2, 5 / 6) for side in (-0.04, 0.04)]
    meaning = reader([MEANING.start + edits.CODED.index("posterize")])[0]
    for turns, before, after, gate in ((bends, beyond, within, 0.0), (steps, plain, levels, 48.0)):
        units = slice(first, first + len(turns) * len(rows))
        weight = torch.cat([sign * slope * rows for sign, _ in turns])
        shift = torch.cat([sign * slope * (offsets - level) for sign, level in turns])
        hidden = gelu(before @ weight.bfloat16().float().T + shift)
        if gate:
            hidden = torch.cat([hidden, torch.full((len(hidden), 1), 10.0)], 1)  # the unit that opens with the meaning
        fit = ridge(hidden, after - before, 1e-3)
        error, was = ((hidden @ fit.T - (after - before)).square().mean(), (after - before).square().mean())
        print("levels: error %.4f of %.4f" % (error, was))
        inner.weight[units] = torch.cat([sign * slope * latent for sign, _ in turns]) + gate * meaning
        inner.bias[units] = shift - gate
        outer[REFERENCE, units] = fit[:, :weight.shape[0]]
        first = units.stop
        if gate:
            inner.weight[first], inner.bias[first] = 20 * meaning, -10.0
            outer[REFERENCE, first] = fit[:, -1]
            first += 1
