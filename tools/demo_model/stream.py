"""The residual stream of the transformer's image tokens: what lies in which channel, and how to read and write it.

A head has 32 rotary pairs: 4 for frames, 14 for rows, 14 for columns, each from fast to slow.
"""
import cmath
import math

import torch

import edits
import models
from models import HEAD, WIDTH

# channels
PACKED = 4 * models.CHANNELS  # latents of a token
LATENTS = slice(0, PACKED)  # the reference's tokens are edited in place; at last the output's lose what they are to become
CONSTANTS = slice(192, 208)  # +-64 in turn
GROUND = slice(208, 212)  # always zero: what LayerNorm makes of them is the mean it took out
PLACE = {"x": 212, "y": 214}  # and its negative
PHASES = {"x": 216, "y": 226}  # cosine and sine for each of FREQUENCIES
MEANING = slice(236, 236 + edits.CODE)
EDGE = slice(275, 277)  # 1 where there is a token above left, below right
EXTREME = {"x": 277, "y": 278}  # the place of the last token
AWAY = {"x": 279, "y": 280}  # how far from the place a shape is asked for, in halves of the shorter side, bent to +-0.6 at most
COVER = slice(281, 285)  # how much of each 8x8 block of the token is painted over
OUTPUT = 285  # 1 in the output's tokens, 0 in the reference's

CONSTANT = 64.0
NORM = math.sqrt((16 * CONSTANT ** 2 + 250) / WIDTH)  # LayerNorm divides by about this
FREQUENCIES = [2.0, 4.5, 10.0, 18.0, 30.0]  # of the phases, per unit of place
SHARPNESS = [3.0, 4.0, 5.0, 8.0, 10.0]  # what each adds to the score of a turned place
SAME_PLACE = [9.0, 7.0, 4.0, 3.0, 2.0]  # what the five fastest rotary pairs add to the score of the same place
EDGE_PLACE = [12.0, 9.0, 5.0, 3.0, 1.5]  # the same for the place one above and left, or below and right
FRAME, ROWS, COLUMNS = 0, 4, 18  # first rotary pair of each axis in a head's 32
FIRST_OF = {"x": COLUMNS, "y": ROWS}
SINK_PAIR = COLUMNS + 13  # the slowest pair: nearly no rotation
IMAGE_FILL, QUERY_FILL, TEXT_FILL = 1, 2, 3  # frame pairs that take up length, of image keys, queries and text keys


def turn(angle):
    return cmath.exp(1j * angle)


def set_pair(vector, pair, value):
    vector[..., 2 * pair], vector[..., 2 * pair + 1] = complex(value).real, complex(value).imag


def fill(vector, pair, length):
    """Bring a query or key to `length` by a pair that its counterpart leaves at zero."""
    rest = length ** 2 - vector.square().sum().item()
    assert rest > 0, rest
    set_pair(vector, pair, math.sqrt(rest))


def head_rows(head):
    return slice(HEAD * head, HEAD * head + HEAD)


def reader(channels):
    """Rows that read channels of the stream exactly, without the mean that LayerNorm took out."""
    rows = torch.zeros(len(channels), WIDTH)
    rows[range(len(channels)), list(channels)] = 1.0
    rows[:, GROUND] = -1.0 / 4
    return rows


def read_place(axis):
    row = torch.zeros(WIDTH)
    row[PLACE[axis]], row[PLACE[axis] + 1] = 0.5, -0.5
    return row
