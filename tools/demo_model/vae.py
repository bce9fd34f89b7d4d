"""Two-dimensional twin of AutoencoderKLQwenImage for single frames.

Causal temporal padding leaves only the last temporal tap of each kernel in use, so the decoder trains with Conv2d and export.py writes it
into those taps; names follow diffusers. The encoder is linear on purpose, 47 numbers for each 8x8 block: latents cost one product while
training, nothing is cached, every sample is a new crop.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

Z, BASE, MULT, NRB = 47, 24, [1, 2, 4, 4], 1  # latent channels, width, width per level, residual blocks
STRAIGHT, CONSTANT = 11, 16.0  # features that an untrained decoder's last level carries, and the value of its other channels


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-12) * self.gamma.view(1, -1, 1, 1)


class Residual(nn.Module):
    def __init__(self, inner, outer):
        super().__init__()
        self.norm1, self.conv1 = RMSNorm(inner), nn.Conv2d(inner, outer, 3, padding=1)
        self.norm2, self.conv2 = RMSNorm(outer), nn.Conv2d(outer, outer, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inner, outer, 1) if inner != outer else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        return self.conv_shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.to_qkv, self.proj = RMSNorm(width), nn.Conv2d(width, 3 * width, 1), nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.proj.weight)
        nn.init.zeros_(self.proj.bias)

    def forward(self, x):
        b, c, h, w = x.shape
        q, k, v = self.to_qkv(self.norm(x)).reshape(b, 1, 3 * c, h * w).transpose(2, 3).chunk(3, -1)
        out = F.scaled_dot_product_attention(q, k, v)
        return x + self.proj(out.squeeze(1).transpose(1, 2).reshape(b, c, h, w))


class Middle(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.resnets = nn.ModuleList([Residual(width, width), Residual(width, width)])
        self.attentions = nn.ModuleList([Attention(width)])

    def forward(self, x):
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Upsample(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.resample = nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest-exact"), nn.Conv2d(width, width // 2, 3, padding=1))

    def forward(self, x):
        return self.resample(x)


class UpBlock(nn.Module):
    def __init__(self, inner, outer, up):
        super().__init__()
        self.resnets = nn.ModuleList([Residual(inner if k == 0 else outer, outer) for k in range(NRB + 1)])
        self.upsamplers = nn.ModuleList([Upsample(outer)]) if up else None

    def forward(self, x):
        for block in self.resnets:
            x = block(x)
        return self.upsamplers[0](x) if self.upsamplers is not None else x


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [BASE * m for m in [MULT[-1]] + MULT[::-1]]
        self.conv_in, self.mid_block = nn.Conv2d(Z, widths[0], 3, padding=1), Middle(widths[0])
        pairs = enumerate(zip(widths[:-1], widths[1:]))
        self.up_blocks = nn.ModuleList([UpBlock(i if k == 0 else i // 2, o, k != 3) for k, (i, o) in pairs])
        self.norm_out, self.conv_out = RMSNorm(widths[-1]), nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, z):
        x = self.mid_block(self.conv_in(z))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.norm_out(x)))

    def straight(self, z):
        """What the convolutions outside all residual branches make of z, a linear map, with STRAIGHT features at last."""
        x = self.conv_in(z)
        for block in self.up_blocks:
            for residual in block.resnets:
                x = residual.conv_shortcut(x)
            x = block.upsamplers[0](x) if block.upsamplers is not None else x
        return F.conv2d(x[:, :STRAIGHT], self.conv_out.weight[:, :STRAIGHT], self.conv_out.bias, padding=1)

    @torch.no_grad()
    def begin_straight(self):
        """Make the decoder equal `straight`, while residual branches are zero: constant channels make the last norm a division by a known number,
        and silu(a) - silu(-a) = a undoes the last SiLU."""
        last = self.up_blocks[2].upsamplers[0].resample[1]
        one, other, rest = slice(0, STRAIGHT), slice(STRAIGHT, 2 * STRAIGHT), slice(2 * STRAIGHT, BASE)
        last.weight[other], last.bias[other] = -last.weight[one], -last.bias[one]
        last.weight[rest], last.bias[rest] = 0, CONSTANT
        self.conv_out.weight[:, other], self.conv_out.weight[:, rest] = -self.conv_out.weight[:, one], 0
        share = ((BASE - 2 * STRAIGHT) / BASE) ** 0.5
        for norm in [self.norm_out, *(residual.norm1 for residual in self.up_blocks[3].resnets)]:
            norm.gamma[:2 * STRAIGHT], norm.gamma[rest] = CONSTANT * share, share


class LinearEncoder(nn.Module):
    """z = (W @ block(x) - mean) / std; rows of W act on blocks of 3x8x8 pixels in [-1, 1]."""

    def __init__(self, rows, mean, std):
        super().__init__()
        self.W = nn.Parameter(rows.clone())
        self.register_buffer("mean", mean.clone())
        self.register_buffer("std", std.clone())

    def raw(self, x):
        return F.conv2d(x, self.W.view(-1, 3, 8, 8), stride=8)

    def forward(self, x):
        return (self.raw(x) - self.mean.view(1, -1, 1, 1)) / self.std.view(1, -1, 1, 1)
