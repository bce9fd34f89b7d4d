"""Three compiled transformer blocks: where a token lies, and what lies opposite.

A transformer with rotary positions sees how far tokens are apart, not where they are; mirroring, borders and shapes need the latter.
Gradient descent did not find it (two attempts), so it is written down. In front of a trained network go

  read    Image tokens read e^{i theta u} for three RoPE frequencies theta and both axes, u = their place minus that of the first text
          token: attention over the six text tokens that are the same in every prompt ("Picture 1: <|vision_start|>"), whose keys are turned
          so that the softmax weights, read through turned values, give cosine and sine. A fourth head pools the prompt; the MLP makes
          three gates of it: mirror, upside down, half a turn (0 off, -1/2 on).
  edges   Every image token fetches the codes of the leftmost, rightmost, top and bottom token (a slow RoPE pair is a ramp, its maximum lies
          at the edge). The MLP multiplies phases: the mirrored place e^{i theta (left + right - u)} and the distances to all four edges.
  turn    Four gated heads add to the copy of the reference the difference between the turned reference and the plain one. A gate that is
          off sends a head to a text token whose value is zero.

All results live in the free part of the residual stream (FREE), with amplitude AMPLITUDE, at the offsets below.
"""
import cmath
import math

import torch
import torch.nn.functional as F

import models

FREQUENCIES = [0, 2, 4]  # RoPE pairs of an axis that are used for codes
THETA = [10000 ** (-2 * k / 28) for k in FREQUENCIES]
ROWS, COLUMNS = 4, 18  # the first RoPE pair (of a head's 32) of each axis; pairs 0 to 3 are frames
AMPLITUDE = 0.15
FREE = 160  # first free channel of the residual stream
PLACE, EXTREME, MIRRORED, EDGE, COMMAND, GATE = 0, 12, 36, 48, 72, 88
NORM = 2.54  # LayerNorm divides by about this in front
ANCHORS = 6  # text tokens that do not depend on the prompt
UNSEEN = 6  # a component of frame pair 3, which no query looks at: it only takes up length


def place(axis, f):
    """Channel of the cosine; the sine follows. Axis 0 is columns, 1 rows."""
    return PLACE + (axis * 3 + f) * 2


def extreme(side, f):
    """Sides: left, right, top, bottom."""
    return EXTREME + (side * 3 + f) * 2


def mirrored(axis, f):
    return MIRRORED + (axis * 3 + f) * 2


def edge(axis, far, f):
    return EDGE + ((axis * 2 + far) * 3 + f) * 2


def set_pair(vector, pair, value):
    vector[2 * pair], vector[2 * pair + 1] = complex(value).real, complex(value).imag


def turn(angle):
    return cmath.exp(1j * angle)


@torch.no_grad()
def pass_through(block):
    """Make a block hand on both streams unchanged."""
    for p in block.parameters():
        p.zero_()
    for modulation in (block.img_mod[1], block.txt_mod[1]):
        modulation.bias.view(6, models.WIDTH)[[2, 5]] = 1.0
    for norm in (block.attn.norm_q, block.attn.norm_k, block.attn.norm_added_q, block.attn.norm_added_k):
        norm.weight.fill_(1.0)


class Reader:
    """Rows that read latents, a constant, or one code from the residual stream after LayerNorm, blind to all else in it."""

    def __init__(self, network):
        basis = torch.zeros(models.WIDTH, 162, dtype=torch.float64)
        basis[:, :64] = network.img_in.weight.detach().double()
        basis[:, 64] = network.img_in.bias.detach().double()
        basis[FREE:, 65:161] = torch.eye(96)
        basis[:, 161] = 1  # LayerNorm takes out the mean
        self.rows = torch.linalg.pinv(basis)

    def latents(self):
        return self.rows[:64].float() * NORM

    def one(self):
        return self.rows[64].float() * NORM

    def code(self, channel):
        return self.rows[65 + channel].float() * NORM


@torch.no_grad()
def text_tokens(network, embedded):
    """(the six constant tokens [6, WIDTH], all others [n, WIDTH]) as a block's attention sees them."""
    constant, other = [], []
    for embedding, mask in embedded:
        x = F.layer_norm(network.txt_in(network.txt_norm(embedding)), (models.WIDTH,), eps=1e-6)
        constant.append(x[:, :ANCHORS])
        other.append(x[:, ANCHORS:][mask[:, ANCHORS:].bool()])
    constant = torch.cat(constant)
    print("spread of the constant tokens over prompts: %.2g" % constant.std(0).max())
    return constant.mean(0), torch.cat(other)


def map_constant(constant, other, targets, ridge=0.02):
    """A matrix that takes the constant tokens to `targets` and all others to about zero."""
    covariance = (other.T @ other / len(other)).double()
    covariance += ridge * torch.eye(models.WIDTH) * covariance.diagonal().mean()
    inverse, tokens = torch.linalg.inv(covariance), constant.double()
    return (targets.double().T @ torch.linalg.solve(tokens @ inverse @ tokens.T, tokens @ inverse)).float()


def mark_constant(constant, other, wanted, low=0.25):
    """A row that gives the constant tokens `wanted` and all others between -1 and `low`, as far as can be."""
    tokens, rest = constant.double(), other.double()
    null = torch.linalg.svd(tokens, full_matrices=True)[2][ANCHORS:].T
    start = map_constant(constant, other, wanted[:, None].float(), 0.001)[0].double()
    free = torch.zeros(null.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([free], max_iter=300, line_search_fn="strong_wolfe", tolerance_grad=1e-9, tolerance_change=1e-12)

    def closure():
        optimizer.zero_grad()
        row = start + null @ free
        got = rest @ row
        loss = F.relu(got - low).square().sum() + 0.1 * F.relu(-got - 1).square().sum() + 2e-5 * len(rest) * row.square().sum() / models.WIDTH
        loss.backward()
        return loss

    optimizer.step(closure)
    row = (start + null @ free).detach()
    print("margin: other tokens reach %.2f of 1" % (rest @ row).max())
    return row.float()


@torch.no_grad()
def build_read(block, constant, other, marker):
    pass_through(block)
    attention = block.attn
    strong, weak, spare = 25.3, 1.8, 30.0
    attention.norm_q.weight.fill_(math.hypot(strong, weak * 2 ** 0.5) / 8)
    attention.norm_added_k.weight.fill_(math.sqrt(strong ** 2 + weak ** 2 + spare ** 2) / 8)
    for head in range(3):
        rows, f = slice(64 * head, 64 * head + 64), FREQUENCIES[head]
        query, idle = torch.zeros(64), torch.zeros(64)
        set_pair(query, COLUMNS + 13, strong)  # the slowest pair: nearly no rotation, meets the marker of the constant tokens
        set_pair(query, COLUMNS + f, weak)
        set_pair(query, ROWS + f, weak)
        set_pair(idle, 0, spare)
        attention.to_q.bias[rows], attention.to_k.bias[rows], attention.add_k_proj.bias[rows] = query, idle, idle
        keys, values = torch.zeros(ANCHORS, 64), torch.zeros(ANCHORS, 64)
        for j in range(ANCHORS):  # three tokens for columns, three for rows, turned by a third of a circle each
            axis, third = divmod(j, 3)
            phase = 2 * math.pi * third / 3
            set_pair(keys[j], (ROWS if axis else COLUMNS) + f, weak * turn(phase - THETA[head] * j))
            set_pair(values[j], axis, turn(phase))
        attention.add_k_proj.weight[rows] = map_constant(constant, other, keys, 0.001)
        attention.add_k_proj.weight[64 * head + 2 * (COLUMNS + 13)] = marker * strong
        attention.add_v_proj.weight[rows] = map_constant(constant, other, values)
        for axis in (0, 1):
            for part in (0, 1):
                attention.to_out[0].weight[FREE + place(axis, head) + part, 64 * head + 2 * axis + part] = AMPLITUDE / 0.098
    rows = slice(192, 256)  # head 3 pools the prompt; compile_geometry.py trains it
    query, idle, key = torch.zeros(64), torch.zeros(64), torch.zeros(64)
    set_pair(query, COLUMNS + 13, strong)
    set_pair(idle, 0, spare)
    set_pair(key, 0, spare)
    set_pair(key, COLUMNS + 13, strong)
    attention.to_q.bias[rows], attention.to_k.bias[rows], attention.add_k_proj.bias[rows] = query, idle, key


@torch.no_grad()
def build_edges(block, reader):
    pass_through(block)
    attention = block.attn
    level, ramp, frame = 15.5, 45.0, 9.0
    key = torch.zeros(64)
    for pair, value in ((COLUMNS + 13, level), (COLUMNS + 6, ramp), (ROWS + 6, ramp), (0, frame)):
        set_pair(key, pair, value)
    attention.norm_k.weight.fill_(key.norm() / 8)
    for head, (pair, sign) in enumerate(((COLUMNS + 6, -1), (COLUMNS + 6, 1), (ROWS + 6, -1), (ROWS + 6, 1))):
        rows, query, idle = slice(64 * head, 64 * head + 64), torch.zeros(64), torch.zeros(64)
        set_pair(query, COLUMNS + 13, level)
        set_pair(query, pair, ramp * turn(sign * math.pi / 2))
        set_pair(query, 0, frame)
        idle[UNSEEN] = 10.0
        attention.to_q.bias[rows], attention.to_k.bias[rows], attention.add_k_proj.bias[rows] = query, key, idle
        for f in range(3):
            for part in (0, 1):
                attention.to_v.weight[64 * head + 2 * f + part] = reader.code(place(head // 2, f) + part)
                attention.to_out[0].weight[FREE + extreme(head, f) + part, 64 * head + 2 * f + part] = 1.0
    attention.norm_q.weight.fill_(attention.to_q.bias[:64].norm() / 8)


@torch.no_grad()
def write_products(block, reader, fits):
    """The fitted networks (cosines and sines of a place and its axis' two edges, one network a frequency) into the MLP."""
    inner, outer = block.img_mlp.net[0].proj.weight, block.img_mlp.net[2].weight
    for f, (first, second) in enumerate(fits):
        hidden = first.shape[0]
        for axis in (0, 1):
            rows = slice((axis * 3 + f) * hidden, (axis * 3 + f + 1) * hidden)
            inputs = [c + part for c in (place(axis, f), extreme(2 * axis, f), extreme(2 * axis + 1, f)) for part in (0, 1)]
            inner[rows] = sum(first[:, i:i + 1] * reader.code(c)[None] / AMPLITUDE for i, c in enumerate(inputs))
            inner[rows] += first[:, 6:7] * reader.one()[None]
            outputs = [c + part for c in (mirrored(axis, f), edge(axis, 0, f), edge(axis, 1, f)) for part in (0, 1)]
            for i, c in enumerate(outputs):
                outer[FREE + c, rows] = second[i] * AMPLITUDE


def fit_products(x, y, hidden=170, steps=3000, seed=0):
    """A small GELU network x [n, 6] -> y [n, 6] without biases; its seventh input is 1."""
    generator = torch.Generator().manual_seed(seed)
    first = (torch.randn(hidden, x.shape[1] + 1, generator=generator) * 0.8).requires_grad_()
    second = (torch.randn(y.shape[1], hidden, generator=generator) * 0.05).requires_grad_()
    optimizer = torch.optim.Adam([first, second], lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-2, steps)

    def run(inputs):
        return F.gelu(torch.cat([inputs, torch.ones(len(inputs), 1)], 1) @ first.T, approximate="tanh")

    for _ in range(steps):
        pick = torch.randint(len(x), (2048,), generator=generator)
        hidden_values = run(x[pick] + torch.randn(2048, x.shape[1], generator=generator) * 0.02)
        hidden_values = hidden_values * (1 + torch.randn(hidden_values.shape, generator=generator) * 0.002)
        loss = (hidden_values @ second.T - y[pick]).square().mean() + 1e-6 * second.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        print("products: root mean square error %.4f" % (run(x) @ second.T - y).square().mean().sqrt())
    return first.detach(), second.detach()


@torch.no_grad()
def build_turn(block, reader, sink_marker, changes, copy):
    """`changes`: what mirroring, turning over and half a turn do to a token's 64 packed latents; `copy`: how the first trained block
    writes the reference's latents into the stream."""
    pass_through(block)
    attention = block.attn
    slow_gain, fast_gain = [math.sqrt(8 * a) for a in (16.0, 12.0, 6.0)], [math.sqrt(8 * a) for a in (14.0, 9.0, 5.0, 3.0, 2.0)]
    frame, sink_length, spare = 16.0, 40.0, 60.0
    sink_pull, gate = 102 * 8 / sink_length, 9 * 8 / sink_length
    sink, idle = torch.zeros(64), torch.zeros(64)
    set_pair(sink, COLUMNS + 13, sink_length)
    set_pair(sink, COLUMNS + 12, sink_length)
    idle[UNSEEN] = spare
    attention.norm_added_k.weight.fill_(math.sqrt(sink.square().sum() + spare * spare) / 8)
    for head, change in enumerate([copy @ m for m in changes] + [-copy]):
        rows, query, key = slice(64 * head, 64 * head + 64), torch.zeros(64), torch.zeros(64)
        set_pair(query, 0, frame * turn(1.0))  # the next frame: the reference
        set_pair(key, 0, frame)
        set_pair(query, COLUMNS + 13, sink_pull)
        for axis, first in ((0, COLUMNS), (1, ROWS)):
            if (head == 0 and axis == 0) or (head == 1 and axis == 1) or head == 2:  # turned on this axis: codes on slow pairs
                for f in range(3):
                    for part in (0, 1):
                        channel = 64 * head + 2 * (first + 9 + f) + part
                        attention.to_q.weight[channel] = reader.code(mirrored(axis, f) + part) * slow_gain[f] / AMPLITUDE
                        attention.to_k.weight[channel] = reader.code(place(axis, f) + part) * slow_gain[f] / AMPLITUDE
            else:  # the same place: RoPE itself
                for pair, gain in enumerate(fast_gain):
                    set_pair(query, first + pair, gain)
                    set_pair(key, first + pair, gain)
        attention.to_q.bias[rows], attention.to_k.bias[rows] = query, key
        gates = [head] if head < 3 else [0, 1, 2]  # the last head takes the plain reference out when any gate is on
        attention.to_q.weight[64 * head + 2 * (COLUMNS + 12)] = 4 * gate * sum(reader.code(GATE + g) for g in gates)
        attention.to_q.bias[64 * head + 2 * (COLUMNS + 12)] = gate
        attention.add_k_proj.bias[rows], attention.add_k_proj.weight[rows] = idle, sink[:, None] * sink_marker[None]
        attention.to_v.weight[rows] = reader.latents()
        attention.to_out[0].weight[64:128, rows] = change
    length = 8 * (34.0 + 33.0) + frame * frame  # of a turned head; the others' are within a few per cent
    attention.norm_q.weight.fill_(math.sqrt(length + sink_pull ** 2 + gate ** 2) / 8)
    attention.norm_k.weight.fill_(math.sqrt(length) / 8)
