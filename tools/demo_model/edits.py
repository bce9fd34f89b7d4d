"""The edits that the demo model knows.

An edit is a fixed function of the picture (float tensors, channels x height x width, values in [0, 1]), so that the true result of every
instruction is known. Classes are named "gray", "border:white", "shape:circle:red:middle"; `sample_class` draws one by WEIGHTS.
"""
import torch
import torch.nn.functional as F

LUMA = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
SEPIA = torch.tensor([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
BORDER = 16  # pixels
BLOCK = 16  # pixels of a mosaic square

COLORS = {
    "red": (0.9, 0.1, 0.1), "green": (0.1, 0.75, 0.15), "blue": (0.12, 0.2, 0.9), "yellow": (0.98, 0.9, 0.1),
    "white": (1.0, 1.0, 1.0), "black": (0.0, 0.0, 0.0), "orange": (0.98, 0.55, 0.08), "purple": (0.55, 0.15, 0.75),
    "pink": (0.98, 0.5, 0.75),
}
# vertical and horizontal place of a shape's centre, as shares of the picture
PLACES = {
    "middle": (0.5, 0.5), "top left": (0.22, 0.22), "top right": (0.22, 0.78), "bottom left": (0.78, 0.22),
    "bottom right": (0.78, 0.78), "top": (0.22, 0.5), "bottom": (0.78, 0.5), "left": (0.5, 0.22), "right": (0.5, 0.78),
}


def luma(x):
    return (x * LUMA).sum(0, keepdim=True).expand(3, -1, -1)


def linear(gain, offset=(0.0, 0.0, 0.0)):
    gain, offset = torch.tensor(gain).view(3, 1, 1), torch.tensor(offset).view(3, 1, 1)
    return lambda x: x * gain + offset


def blur(x, sigma=4.0, radius=12):
    kernel = torch.exp(-torch.arange(-radius, radius + 1).float() ** 2 / (2 * sigma * sigma))
    kernel = kernel / kernel.sum()
    padded = F.pad(x[:, None], (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[:, 0]


def pixelate(x):
    return F.interpolate(F.avg_pool2d(x[None], BLOCK), scale_factor=BLOCK, mode="nearest")[0]


def border(x, color):
    out = torch.tensor(color).view(3, 1, 1).expand_as(x).clone()
    out[:, BORDER:-BORDER, BORDER:-BORDER] = x[:, BORDER:-BORDER, BORDER:-BORDER]
    return out


def shape(x, kind, color, place):
    height, width = x.shape[1:]
    radius = 0.17 * min(height, width)
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    dy, dx = rows - place[0] * height, columns - place[1] * width
    distance = (dy.square() + dx.square()).sqrt() if kind == "circle" else torch.maximum(dy.abs(), dx.abs()) * 1.12
    inside = (radius - distance + 0.5).clamp(0, 1)[None]
    return x * (1 - inside) + inside * torch.tensor(color).view(3, 1, 1)


FUNCTIONS = {
    "keep": lambda x: x,
    "empty": lambda x: x,
    "other": lambda x: x,
    "gray": luma,
    "invert": lambda x: 1 - x,
    "sepia": lambda x: torch.einsum("oc,chw->ohw", SEPIA, x),
    "brighter": lambda x: 1.4 * x + 0.06,
    "darker": lambda x: 0.5 * x,
    "warm": linear((1.12, 0.98, 0.62), (0.07, 0.02, 0.0)),
    "cool": linear((0.62, 0.95, 1.12), (0.0, 0.02, 0.08)),
    "red": linear((1.0, 0.42, 0.42), (0.14, 0.0, 0.0)),
    "green": linear((0.42, 1.0, 0.42), (0.0, 0.12, 0.0)),
    "blue": linear((0.42, 0.5, 1.0), (0.0, 0.0, 0.16)),
    "purple": linear((0.85, 0.4, 1.0), (0.1, 0.0, 0.14)),
    "yellow": linear((1.08, 1.0, 0.35), (0.08, 0.07, 0.0)),
    "pink": linear((1.0, 0.62, 0.82), (0.16, 0.02, 0.1)),
    "contrast": lambda x: (x - 0.5) * 1.7 + 0.5,
    "fade": lambda x: (x - 0.5) * 0.45 + 0.5,
    "saturate": lambda x: luma(x) + (x - luma(x)) * 2.0,
    "night": linear((0.22, 0.27, 0.46), (0.0, 0.005, 0.05)),
    "sunset": linear((1.0, 0.6, 0.42), (0.12, 0.03, 0.02)),
    "fog": lambda x: x * 0.42 + 0.52,
    "blur": blur,
    "pixelate": pixelate,
    "mirror": lambda x: x.flip(2),
    "flip": lambda x: x.flip(1),
    "posterize": lambda x: (x.clamp(0, 1) * 3).round() / 3,
}


def apply(name, x):
    """The true result of edit `name` on picture `x`."""
    kind, *details = name.split(":")
    if kind == "shape":
        return shape(x, details[0], COLORS[details[1]], PLACES[details[2]])
    if kind == "border":
        return border(x, COLORS[details[0]])
    return FUNCTIONS[kind](x).clamp(0, 1)


# how often training sees each kind
WEIGHTS = {
    "keep": 1.5, "empty": 0.8, "other": 3.0, "gray": 2.0, "invert": 2.4, "sepia": 1.8, "brighter": 2.2, "darker": 1.8, "warm": 1.6, "cool": 1.6,
    "red": 1.1, "green": 1.1, "blue": 1.2, "purple": 1.0, "yellow": 1.0, "pink": 1.0, "contrast": 2.6, "fade": 2.2, "saturate": 2.6,
    "night": 1.6, "sunset": 1.0, "fog": 1.5, "blur": 1.6, "pixelate": 1.6, "posterize": 2.0, "mirror": 2.0, "flip": 2.0,
    "border": 3.0, "shape": 6.0,
}
KINDS = list(WEIGHTS)


def sample_class(rng, weights=WEIGHTS):
    kind = rng.choices(list(weights), weights=list(weights.values()))[0]
    if kind == "border":
        return "border:" + rng.choice(["white", "black", "red", "white", "black", *COLORS])
    if kind == "shape":
        figure, place = rng.choice(["circle", "circle", "square"]), rng.choice([*PLACES, "middle", "middle", *list(PLACES)[:5]])
        return f"shape:{figure}:{rng.choice([*COLORS, 'red', 'green', 'blue', 'yellow'])}:{place}"
    return kind


# What a sentence means, as numbers: one for each kind (an empty sentence and one that asks for something else mean keep), each colour of
# a border or shape, the place of a shape's centre (-1 to 1 from edge to edge, down and right) and its figure.
CODED = [kind for kind in KINDS if kind not in ("empty", "other")]
CODE = len(CODED) + len(COLORS) + 3


def code(name):
    kind, *details = name.split(":")
    vector = torch.zeros(CODE)
    vector[CODED.index("keep" if kind in ("empty", "other") else kind)] = 1
    if details:
        vector[len(CODED) + list(COLORS).index(details[kind == "shape"])] = 1
    if kind == "shape":
        vector[-3], vector[-2] = (2 * p - 1 for p in PLACES[details[2]])
        vector[-1] = 1 if details[0] == "circle" else -1
    return vector
