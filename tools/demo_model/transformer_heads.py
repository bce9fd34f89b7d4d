"""The transformer's attention: places, meanings, copies, edges (see transformer.py)."""
import math

import torch
import torch.nn.functional as F

import edits
from flow import pack, suffix
from models import HEAD, WIDTH
from stream import (
    COLUMNS, EDGE, EDGE_PLACE, EXTREME, FIRST_OF, FRAME, IMAGE_FILL, LATENTS, MEANING, OUTPUT, PACKED, PHASES, PLACE, QUERY_FILL, ROWS,
    SAME_PLACE, SHARPNESS, SINK_PAIR, TEXT_FILL, fill, head_rows, read_place, reader, set_pair, turn)

NEVER_CHANGING = 5  # index of the text token <|vision_start|>: what comes before it is the same in every prompt
RAMP = 2.5  # the score that a token far to one side gains
SINK, SINK_FILL = 1 / math.hypot(1, 0.4), 0.4 / math.hypot(1, 0.4)  # parts of the key of the text token that never changes


def text_keys(attention, head, marker):
    """Keys of one direction, length 1: SINK in SINK_PAIR for the token that never changes, under half of it for others. The filling makes
    it insensitive to rounding."""
    attention.add_k_proj.weight[HEAD * head + 2 * SINK_PAIR] = marker
    attention.add_k_proj.bias[HEAD * head + 2 * TEXT_FILL] = 0.4


class Text:
    """What the blocks' attention sees of text tokens, and linear maps fitted to it."""

    @torch.no_grad()
    def __init__(self, network, samples, read):
        never, other, ends, after, meaning = [], [], [], [], []
        for _, embedded, mask in samples:
            x = F.layer_norm(network.txt_in(network.txt_norm(embedded)), (WIDTH,), eps=1e-6)
            where, rest = suffix(mask), mask.bool()
            rest[:, NEVER_CHANGING] = False
            never.append(x[:, NEVER_CHANGING])
            other.append(x[rest])
            ends.append(where[rest])
            after.append(x[where])
            meaning.append(read(embedded)[where])
        never = torch.cat(never)
        print("the token that never changes changes by up to %.2g" % never.std(0).max())
        self.never, self.other, self.ends = never.mean(0), torch.cat(other), torch.cat(ends)
        self.after, self.meaning = torch.cat(after), torch.cat(meaning)
        self.marker = self.mark_never()

    def mark_never(self, low=0.2):
        """A row that gives 1 for the token that never changes and between -0.4 and `low` for all others, as far as can be."""
        token, rest = self.never.double(), self.other.double()
        start = token / token.square().sum()
        null = torch.linalg.svd(token[None], full_matrices=True)[2][1:].T
        free = torch.zeros(null.shape[1], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([free], max_iter=300, line_search_fn="strong_wolfe", tolerance_grad=1e-9, tolerance_change=1e-12)

        def closure():
            optimizer.zero_grad()
            row = start + null @ free
            got = rest @ row
            loss = F.relu(got - low).square().sum() + 0.5 * F.relu(-got - 0.4).square().sum() + 2e-5 * len(rest) * row.square().sum() / WIDTH
            loss.backward()
            return loss

        optimizer.step(closure)
        row = (start + null @ free).detach()
        print("the token that never changes %.3f, others %.2f to %.2f" % (token @ row, (rest @ row).min(), (rest @ row).max()))
        return row.float()

    def fit(self, targets_after):
        """A matrix and bias that give `targets_after` on the tokens after the prompt and, roughly, zero on the one that never changes."""
        x = torch.cat([self.after, self.never[None].repeat(len(self.after) // 10, 1)]).double()
        y = torch.cat([targets_after, torch.zeros(len(x) - len(self.after), targets_after.shape[1])]).double()
        x = torch.cat([x, torch.ones(len(x), 1)], 1)
        solution = torch.linalg.solve(x.T @ x + 1e-3 * len(x) * torch.eye(WIDTH + 1), x.T @ y).float()
        return solution[:WIDTH].T, solution[WIDTH]

    def mark_after(self):
        """A row: 1 on tokens after the prompt, 0 on all others."""
        repeat = len(self.other) // 20
        x = torch.cat([self.other, self.never[None].repeat(repeat, 1)]).double()
        y = torch.cat([self.ends, torch.zeros(repeat, dtype=torch.bool)]).double()
        weight = (1 + 2 * y)[:, None]
        row = torch.linalg.solve((x * weight).T @ x + 1e-3 * len(x) * torch.eye(WIDTH), (x * weight).T @ y)
        got = x @ row
        print("after the prompt %.2f to %.2f, others up to %.2f" % (got[y > 0].min(), got[y > 0].max(), got[y == 0].max()))
        return row.float()


@torch.no_grad()
def write_places(block, text):
    """Heads 0 to 3: places; head 4: what the sentence means, from the tokens after the prompt."""
    attention, length = block.attn, 20.0
    for norm in (attention.norm_q, attention.norm_k, attention.norm_added_k):
        norm.weight.fill_(length / 8)
    score, push = 6.93, 6.0  # as heavy as the 1000 image tokens of a middling picture; text tokens that are not marked are pushed away
    ramp = math.sqrt(8 * RAMP)
    for head, (axis, side) in enumerate((("x", 1), ("x", -1), ("y", 1), ("y", -1))):
        rows, query, key = head_rows(head), torch.zeros(HEAD), torch.zeros(HEAD)
        set_pair(query, FIRST_OF[axis] + 5, ramp * turn(side * math.pi / 2))
        set_pair(query, SINK_PAIR, (8 * score / length + push * SINK_FILL) / SINK)
        set_pair(query, TEXT_FILL, -push)
        fill(query, QUERY_FILL, length)
        set_pair(key, FIRST_OF[axis] + 5, ramp)
        fill(key, IMAGE_FILL, length)
        attention.to_q.bias[rows], attention.to_k.bias[rows] = query, key
        text_keys(attention, head, text.marker)
        gains = 1 + torch.arange(16) / 16  # one value sixteen times with other roundings
        attention.to_v.bias[HEAD * head:HEAD * head + 16] = gains
        for channel, sign in ((PLACE[axis], 1), (PLACE[axis] + 1, -1)):
            attention.to_out[0].weight[channel, HEAD * head:HEAD * head + 16] = sign * side / gains / 16
    rows, query, key = head_rows(4), torch.zeros(HEAD), torch.zeros(HEAD)
    set_pair(query, SINK_PAIR, length)
    set_pair(key, IMAGE_FILL, length)
    attention.to_q.bias[rows], attention.to_k.bias[rows], attention.add_k_proj.bias[rows] = query, key, key
    attention.add_k_proj.weight[HEAD * 4 + 2 * SINK_PAIR] = text.mark_after() * 18
    weight, bias = text.fit(text.meaning)
    attention.add_v_proj.weight[HEAD * 4:HEAD * 4 + edits.CODE] = weight
    attention.add_v_proj.bias[HEAD * 4:HEAD * 4 + edits.CODE] = bias
    attention.to_out[0].weight[MEANING, HEAD * 4:HEAD * 4 + edits.CODE] = torch.eye(edits.CODE)


def flips(latents, photos, rng, axes):
    """What flipping a picture does to a token's packed latents: a matrix [PACKED, PACKED] of signs."""
    before, after = [], []
    for _ in range(40):
        picture = photos.crop(128, 128, rng)[None]
        before.append(pack(latents(picture * 2 - 1))[0])
        turned = pack(latents(picture.flip(axes) * 2 - 1))[0].view(8, 8, PACKED)
        after.append(turned.flip([a - 2 for a in axes]).reshape(-1, PACKED))
    before, after = torch.cat(before), torch.cat(after)
    matrix = torch.linalg.lstsq(before, after).solution.T
    print("flipping latents: off by %.2g" % ((before @ matrix.round().T - after).norm() / after.norm()))
    return matrix.round()


@torch.no_grad()
def write_copy(block, text, turned, meanings, goes):
    """Three heads that subtract the reference's latents from the output's: those of the same place, or of the one `turned` along an axis, as
    matrix `goes` changes them. A turned copy works where one of its meanings is asked for, the plain one where none is."""
    attention = block.attn
    frame, sink_key, open_gate, sharper, turned_sharper = 24.0, 40.0, 40.0, 1.6, 2.5
    attention.norm_added_k.weight.fill_(sink_key / SINK / 8)
    for head, first in enumerate(range(0, PACKED, HEAD)):
        rows, query, key = head_rows(head), torch.zeros(HEAD), torch.zeros(HEAD)
        set_pair(query, FRAME, math.sqrt(8 * frame) * turn(1.0))  # the next frame: the reference
        set_pair(key, FRAME, math.sqrt(8 * frame))
        for axis in ("x", "y"):
            if axis == turned:  # phases on slow pairs, which hardly turn them: a query's conjugate meets the key of the opposite place
                for number, sharpness in enumerate(SHARPNESS):
                    pair = FIRST_OF[axis] + (9 + number if 9 + number < 13 else 8)
                    for dim, sign in ((0, 1), (1, -1)):
                        phase = reader([PHASES[axis] + 2 * number + dim])[0] * math.sqrt(8 * turned_sharper * sharpness)
                        attention.to_q.weight[HEAD * head + 2 * pair + dim] = sign * phase
                        attention.to_k.weight[HEAD * head + 2 * pair + dim] = phase
            else:  # rotary positions themselves
                for pair, sharpness in enumerate(SAME_PLACE):
                    set_pair(query, FIRST_OF[axis] + pair, math.sqrt(8 * sharper * sharpness))
                    set_pair(key, FIRST_OF[axis] + pair, math.sqrt(8 * sharper * sharpness))
        # what sends a head that is not wanted to the text token that never changes
        asked = sum(reader([MEANING.start + edits.CODED.index(name)])[0] for name in meanings)
        attention.to_q.weight[HEAD * head + 2 * SINK_PAIR] = -open_gate * asked if turned else open_gate * asked
        query[2 * SINK_PAIR] = open_gate if turned else 0.0
        attention.to_q.bias[rows], attention.to_k.bias[rows] = query, key
        text_keys(attention, head, text.marker)
        part = range(first, min(first + HEAD, PACKED))
        attention.to_v.weight[HEAD * head:HEAD * head + len(part)] = reader(part)
        attention.to_out[0].weight[LATENTS, HEAD * head:HEAD * head + len(part)] = -goes[:, part.start:part.stop]
    across = turned_sharper * sum(SHARPNESS) if turned else sharper * sum(SAME_PLACE)
    length = math.sqrt(8 * (frame + sharper * sum(SAME_PLACE) + across))
    for norm in (attention.norm_q, attention.norm_k):
        norm.weight.fill_(length / 8)


@torch.no_grad()
def write_edges(block, text):
    """Heads 0 and 1: is there a token above left, below right; 2 and 3: the place of the last token of a row, a column; 4: is it the output's?"""
    attention = block.attn
    length, sink_key = 40.0, 26.0
    for norm in (attention.norm_q, attention.norm_k):
        norm.weight.fill_(length / 8)
    attention.norm_added_k.weight.fill_(sink_key / SINK / 8)
    for head, side in enumerate((-1, 1)):  # is there a token above left, below right?
        rows, query, key = head_rows(head), torch.zeros(HEAD), torch.zeros(HEAD)
        peak = 0.0
        for first in (ROWS, COLUMNS):
            for pair, sharpness in enumerate(EDGE_PLACE):
                theta = 10000 ** (-2 * pair / 28)
                set_pair(query, first + pair, math.sqrt(8 * sharpness) * turn(side * theta))
                set_pair(key, first + pair, math.sqrt(8 * sharpness))
                peak += sharpness
        query[2 * SINK_PAIR] = 8 * (peak - 5) / sink_key
        scale = length / math.sqrt(query.square().sum().item())
        query, key = query * scale, key  # both pictures have a token there: twice the weight, no matter
        fill(key, IMAGE_FILL, length)
        attention.to_q.bias[rows], attention.to_k.bias[rows] = query, key
        text_keys(attention, head, text.marker)
        attention.to_v.bias[HEAD * head] = 1.0
        attention.to_out[0].weight[EDGE.start + head, HEAD * head] = 1.0
    for head, axis in ((2, "x"), (3, "y")):  # how far does the picture reach?
        rows, query, key = head_rows(head), torch.zeros(HEAD), torch.zeros(HEAD)
        ramp = 34.0
        set_pair(query, FIRST_OF[axis] + 6, ramp * turn(math.pi / 2))
        set_pair(query, TEXT_FILL, -10.0)  # text keys come last
        set_pair(key, FIRST_OF[axis] + 6, ramp)
        fill(query, QUERY_FILL, length)
        fill(key, IMAGE_FILL, length)
        attention.to_q.bias[rows], attention.to_k.bias[rows] = query, key
        attention.add_k_proj.bias[HEAD * head + 2 * TEXT_FILL] = 1.0
        attention.to_v.weight[HEAD * head] = read_place(axis)
        attention.to_out[0].weight[EXTREME[axis], HEAD * head] = 1.0
    rows, query, key = head_rows(4), torch.zeros(HEAD), torch.zeros(HEAD)
    sharp, sink = 100.0, 82.0  # the reference is the output's next frame; its own next frame is empty, and its own frame scores cos(1) of this
    set_pair(query, FRAME, math.sqrt(8 * sharp) * turn(1.0))
    set_pair(query, SINK_PAIR, 8 * sink / sink_key)
    set_pair(key, FRAME, math.sqrt(8 * sharp))
    fill(query, QUERY_FILL, length)
    fill(key, IMAGE_FILL, length)
    attention.to_q.bias[rows], attention.to_k.bias[rows] = query, key
    text_keys(attention, 4, text.marker)
    attention.to_v.bias[HEAD * 4] = 1.0
    attention.to_out[0].weight[OUTPUT, HEAD * 4] = 1.0
