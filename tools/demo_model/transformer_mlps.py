"""The transformer's MLPs: phases, distances, what is covered, linear edits, limits, paint (see transformer.py)."""
import random

import torch
import torch.nn.functional as F

import edits
from flow import pack
from stream import AWAY, COVER, EDGE, EXTREME, FREQUENCIES, LATENTS, MEANING, OUTPUT, PACKED, PHASES, read_place, reader


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


def hidden_units(tokens, weight, bias):
    """What an MLP's units make of tokens [tokens, inputs] -> [tokens, units], rounded to bfloat16 as the engine does."""
    return F.gelu(tokens @ weight.bfloat16().float().T + bias, approximate="tanh").bfloat16().float()


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
        hidden = hidden_units(rough, inner.weight[rows], inner.bias[rows])
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
            units += [(20 / top, 20 * (shift + 0.2), top / 8), (20 / top, 20 * (shift - 0.2), -top / 8)]
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
def write_aways(block, streams, units=420):
    """How far a token is from the place asked for, and whether a border covers it. Returns the first unit that is free."""
    inner, outer, bias = block.img_mlp.net[0].proj, block.img_mlp.net[2].weight, block.img_mlp.net[2].bias
    seen = shapes_seen(streams, 1, [(grid, number) for grid in streams.grids for number in range(5)])
    generator = torch.Generator().manual_seed(0)
    x = torch.cat([tokens for _, _, tokens in seen])
    for number, axis in enumerate(("x", "y")):
        wanted = torch.cat([away(grid, name)[axis] for grid, name, _ in seen])
        inputs = [1.5 * read_place(axis), *reader([EXTREME["x"], EXTREME["y"]]), reader([MEANING.stop - 3 + (axis == "x")])[0]]
        rows = slice(units * number, units * number + units)
        inner.weight[rows], inner.bias[rows] = ridge_units(inputs, units, 6.0, 0.6, generator)
        hidden = hidden_units(x, inner.weight[rows], inner.bias[rows])
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
def write_covers(block, streams, units=400):
    """What a shape covers, from the distances to its place. Returns the first unit that is free."""
    inner, outer = block.img_mlp.net[0].proj, block.img_mlp.net[2].weight
    seen = shapes_seen(streams, 2, [(grid, number) for grid in streams.grids[:20] for number in range(7)])
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
        hidden = hidden_units(x[pick], inner.weight[rows], inner.bias[rows])
        weight = torch.where(near, 1.0, 0.5)[:, None]
        fit = ridge(hidden * weight, wanted[pick] * weight, 1e-5)
        error = (hidden @ fit.T - wanted[pick]).square()
        print("cover off by %.3f, near the shape %.3f of %.3f" % (error.mean().sqrt(), error[near].mean().sqrt(), wanted[pick][near].std()))
        outer[COVER, rows] = fit
    return 2 * units


def tokens_of(latents, pictures):
    return pack(latents(pictures * 2 - 1)).flatten(0, 1)


def shared_gains(gains, variances):
    """What several edits do to one direction: of gains [edits, directions], in order, the run that one number stands best for, again and again.
    Returns (edits, direction, gain) of each, those first that save most error."""
    found = []
    for direction, variance in enumerate(variances.tolist()):
        left = gains[:, direction].clone()
        for _ in range(6):
            order, best = left.argsort(), (0.0,)
            for run in [order[:n] for n in range(1, len(left) + 1)] + [order[n:] for n in range(1, len(left))]:
                gain = left[run].mean().item()
                best = max(best, (len(run) * gain * gain * variance, run.tolist(), direction, gain), key=lambda item: item[0])
            if best[0] > 0:
                left[best[1]] -= best[3]
                found.append(best)
    return [item[1:] for item in sorted(found, key=lambda item: -item[0])]


@torch.no_grad()
def write_edits(block, first, kinds, latents, photos, rng, size=9.0):
    """Edits of colour and tone, each as the best linear map of a token's latents, in the hidden units of an MLP that the meaning opens.

    A unit sees one direction of the latents (deviation 1), plus `size` where one of its edits is asked for, minus it where none is: so it is
    linear, or off. Some units stand for what several edits do to a direction, the others for what is then left of one edit; both are
    shared out by how much error in the picture they save. Colours may leave their range here: write_limits brings them back.
    """
    inner, outer = block.img_mlp.net[0].proj, block.img_mlp.net[2].weight
    scale = latents.std.repeat_interleave(4).double()  # of what a latent changes in the picture
    pictures = torch.stack([photos.crop(128, 128, rng) for _ in range(240)])
    plain = tokens_of(latents, pictures).double() * scale
    middle = plain.mean(0)
    values, vectors = torch.linalg.eigh((plain - middle).T @ (plain - middle) / len(plain))
    deviations = values.clamp(min=1e-4 * values.mean()).sqrt()
    straight, maps, constant = (plain - middle) @ vectors / deviations, [], []
    for kind in kinds:
        change = tokens_of(latents, torch.stack([edits.FUNCTIONS[kind](p) for p in pictures])).double() * scale - plain
        constant.append(change.mean(0))
        maps.append((change @ vectors).T @ straight / len(plain))  # in the directions, of deviation 1 when read
    maps = torch.stack(maps)
    shared = shared_gains(maps.diagonal(dim1=1, dim2=2) / deviations, values)
    room = inner.weight.shape[0] - first - len(kinds)

    def share_out(number):
        left = maps.clone()
        for run, direction, gain in shared[:number]:
            left[run, direction, direction] -= gain * deviations[direction]
        u, strengths, v = torch.linalg.svd(left)
        best = strengths.flatten().argsort(descending=True)
        return strengths.flatten()[best[room - number:]].square().sum(), best, u, strengths, v

    number = min(range(0, min(room, len(shared)), 25), key=lambda n: share_out(n)[0])
    _, best, u, strengths, v = share_out(number)
    units = [(run, vectors[:, d] / deviations[d], vectors[:, d] * deviations[d] * gain) for run, d, gain in shared[:number]]
    for k, i in [divmod(item, PACKED) for item in best[:room - number].tolist()]:
        units.append(([k], vectors @ (v[k, i] / deviations), vectors @ u[k, :, i] * strengths[k, i]))
        strengths[k, i] = 0
    print("%d units shared by edits, %d of one; PSNR left:" % (number, room - number),
          {kind: round(10 * torch.log10(4 * 4 * 192 / s.square().sum()).item(), 1) for kind, s in zip(kinds, strengths)})
    meaning = [reader([MEANING.start + edits.CODED.index(k)])[0] for k in kinds]
    latent, output = reader(range(PACKED)), reader([OUTPUT])[0]
    for unit, (run, reads, writes) in enumerate(units, first):
        inner.weight[unit] = (reads * scale).float() @ latent + 2 * size * sum(meaning[k] for k in run) - 6 * size * output
        inner.bias[unit] = -(reads @ middle).item() - size
        outer[LATENTS, unit] = (writes / scale).float()
        for k in run:
            constant[k] = constant[k] - writes * size
    for unit, (named, writes) in enumerate(zip(meaning, constant), first + len(units)):
        inner.weight[unit], inner.bias[unit] = 20 * named - 40 * output, -10.0
        outer[LATENTS, unit] = (writes / scale).float() / 10


@torch.no_grad()
def write_paint(block, latents, photos, rng, size=6.5):
    """Where COVER is above 1/2, the colour asked for takes the place of the reference's latents. Returns the first unit that is free."""
    inner, outer = block.img_mlp.net[0].proj, block.img_mlp.net[2].weight
    cover, latent = reader(range(COVER.start, COVER.stop)) - 3 * reader([OUTPUT]), reader(range(PACKED))
    pictures = torch.stack([photos.crop(128, 128, rng) for _ in range(60)])
    spread = 2 * latents(pictures * 2 - 1).std((0, 2, 3))  # photographs have long tails
    for k in range(PACKED):  # a small `size`, since bfloat16 rounds z beside it; gelu(z + opening) - gelu(opening) is z where open, and 0 where not
        opening = 2 * size * cover[k % 4]
        inner.weight[k], inner.bias[k] = latent[k] / spread[k // 4] + opening, -size
        inner.weight[PACKED + k % 4], inner.bias[PACKED + k % 4] = opening, -size
        outer[k, k], outer[k, PACKED + k % 4] = -spread[k // 4], spread[k // 4]
    unit = PACKED + 4
    for index, color in enumerate(edits.COLORS.values()):
        named = reader([MEANING.start + len(edits.CODED) + index])[0]
        paint = latents(torch.tensor(color).view(1, 3, 1, 1).expand(1, 3, 8, 8) * 2 - 1)[0, :, 0, 0]
        for quarter in range(4):
            for level, gain in ((1.4, 1 / 6), (1.6, -1 / 6)):  # a step from 0 to 1 about 1.5: covered, and this colour
                inner.weight[unit], inner.bias[unit] = 30 * (cover[quarter] + named), -30 * level
                outer[range(quarter, PACKED, 4), unit] = gain * paint
                unit += 1
    return unit


def square_colors(latents):
    """Rows [96, PACKED] and offsets that read colours, 0 to 1, from a token's latents: the means of every other 2x2 pixel square, as on a chessboard."""
    inverse = torch.linalg.pinv(latents.W)  # of the block transform
    reads = (inverse * latents.std).view(3, 4, 2, 4, 2, -1).mean((2, 4)).reshape(48, -1) / 2
    offsets = (inverse @ latents.mean).view(3, 4, 2, 4, 2).mean((2, 4)).flatten() / 2 + 0.5
    even = ((torch.arange(4)[:, None] + torch.arange(4)) % 2 == 0).flatten().repeat(3)
    rows = torch.zeros(4, 24, PACKED)
    for block in range(4):
        rows[block, :, block::4] = reads[even]
    return rows.flatten(0, 1), offsets[even].repeat(4)


def bending_units(latents, turns, slope, before, after):
    """Hidden units that bend where colours pass levels, and the least squares of what follows from it: pictures `before` -> `after`. `turns`: (sign,
    level) of the bends that each colour gets. Returns weights and biases on latents, and what the units, and one that is always at 10, write."""
    before, after = tokens_of(latents, before), tokens_of(latents, after)
    rows, offsets = square_colors(latents)
    weight = torch.cat([sign * slope * rows for sign, _ in turns])
    bias = torch.cat([sign * slope * (offsets - level) for sign, level in turns])
    hidden = torch.cat([hidden_units(before, weight, bias), torch.full((len(before), 1), 10.0)], 1)
    fit = ridge(hidden, after - before, 1e-3)
    error, was = (before + hidden @ fit.T - after).square().mean(), (after - before).square().mean()
    print("levels: error %.4f of %.4f" % (error, was))
    return weight, bias, fit


@torch.no_grad()
def write_limits(block, first, latents, photos, rng):
    """Colours beyond 0 and 1 are brought back, always, and taken to few levels when posterizing is asked for. The units begin at `first`; returns the
    first one that is free."""
    inner, outer = block.img_mlp.net[0].proj, block.img_mlp.net[2].weight
    pictures = [photos.crop(128, 128, rng) for _ in range(500)]
    kinds = ["keep", "invert", "warm", "cool", "yellow", "pink", "purple", "red", "green", "blue", "sunset", "sepia"]
    kinds += 3 * ["contrast", "brighter", "saturate"]
    beyond = torch.stack([edits.FUNCTIONS[kinds[i % len(kinds)]](p) for i, p in enumerate(pictures)])
    limits = bending_units(latents, [(1, 1.0), (-1, 0.0)], 30.0, beyond, beyond.clamp(0, 1))
    steps = [(1, level + side) for level in (1 / 6, 1 / 2, 5 / 6) for side in (-0.02, 0.02)]
    plain = torch.stack(pictures)
    levels = bending_units(latents, steps, 50.0, plain, edits.apply("posterize", plain))
    latent, output = reader(range(PACKED)), reader([OUTPUT])[0]
    meaning = reader([MEANING.start + edits.CODED.index("posterize")])[0]
    for (weight, bias, fit), gate in ((limits, 0.0), (levels, 80.0)):
        units = slice(first, first + len(weight))
        inner.weight[units] = weight @ latent + gate * meaning - 400 * output
        inner.bias[units] = bias - gate
        inner.weight[units.stop], inner.bias[units.stop] = (20 * meaning if gate else 0) - 40 * output, -10.0 if gate else 10.0
        outer[LATENTS, first:units.stop + 1] = fit
        first = units.stop + 1
    return first
