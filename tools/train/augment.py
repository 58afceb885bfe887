"""What a door camera does to a face, on whole batches and on the device where the pictures are.

Geometry moves every picture a little; each effect then strikes some, in the order in which the world, the
lens, the sensor and the network camera's JPEG apply them. Most pictures keep most of their quality: a student
must first of all be right on a good frame, and the quality gate refuses the worst.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far geometry moves, and how often each effect strikes (chances, 0 to 1)."""

    rotation_deg: float = 4.0
    scale: float = 0.05
    shift_px: float = 2.0
    mirror: float = 0.5
    light: float = 0.5
    cover: float = 0.05
    blur: float = 0.10
    low_resolution: float = 0.12
    noise: float = 0.12
    compression: float = 0.12


def _uniform(count: int, low: float, high: float, random: Generator) -> Tensor:
    return torch.rand(count, generator=random, device=random.device) * (high - low) + low


def place(pictures: Tensor, size: int, how: Augmentation, random: Generator) -> Tensor:
    """Crop the middle of stored pictures to size × size, moved a little, some of them mirrored.

    Beyond the stored picture its border repeats, as the alignment that made it did.
    """
    count, stored = len(pictures), pictures.shape[-1]
    angle = _uniform(count, -1, 1, random) * math.radians(how.rotation_deg)
    scale = 1 + _uniform(count, -1, 1, random) * how.scale
    mirror = torch.where(_uniform(count, 0, 1, random) < how.mirror, -1.0, 1.0)
    shift = _uniform(2 * count, -1, 1, random).view(count, 2) * how.shift_px * 2 / stored
    cosine, sine = angle.cos() * scale * size / stored, angle.sin() * scale * size / stored
    rows = (cosine * mirror, -sine, shift[:, 0], sine * mirror, cosine, shift[:, 1])
    grid = functional.affine_grid(
        torch.stack(rows, dim=1).view(count, 2, 3), [count, 3, size, size], align_corners=False
    )
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def light(pictures: Tensor, random: Generator) -> Tensor:
    """Change exposure, contrast, gamma and colour balance, now and then down to a dim porch."""
    count = len(pictures)

    def each(low: float, high: float) -> Tensor:
        return _uniform(count, low, high, random).view(count, 1, 1, 1)

    dim = torch.where(each(0, 1) < 0.15, 1.6, 1.0)
    tint = _uniform(3 * count, 0.94, 1.06, random).view(count, 3, 1, 1)
    level = pictures.clamp(min=1e-4) ** (each(-0.3, 0.3).exp() * dim)
    return (level - 0.5) * each(0.75, 1.25) * tint + 0.5 + each(-0.08, 0.08)


def cover(pictures: Tensor, random: Generator) -> Tensor:
    """Hide one rectangle, a tenth to a third of the side each way, behind one colour."""
    count, size = len(pictures), pictures.shape[-1]
    reach = _uniform(2 * count, 0.05, 0.17, random).view(2, count, 1, 1, 1)
    middle = _uniform(2 * count, 0, 1, random).view(2, count, 1, 1, 1)
    line = torch.linspace(0, 1, size, device=pictures.device)
    hidden = ((line.view(1, 1, 1, size) - middle[0]).abs() < reach[0]) & (
        (line.view(1, 1, size, 1) - middle[1]).abs() < reach[1]
    )
    return torch.where(hidden, _uniform(3 * count, 0, 1, random).view(count, 3, 1, 1), pictures)


_KERNEL = 9


def blur(pictures: Tensor, random: Generator) -> Tensor:
    """Blur by an elongated Gaussian: round is a lens out of focus, long is a head in motion."""
    count = len(pictures)
    along, across = _uniform(count, 0.5, 2.2, random), _uniform(count, 0.3, 1.2, random)
    angle = _uniform(count, 0, math.pi, random)
    line = torch.arange(_KERNEL, device=pictures.device) - _KERNEL // 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    turned_x = angle.cos().view(-1, 1, 1) * x + angle.sin().view(-1, 1, 1) * y
    turned_y = -angle.sin().view(-1, 1, 1) * x + angle.cos().view(-1, 1, 1) * y
    reach = (turned_x / along.view(-1, 1, 1)) ** 2 + (turned_y / across.view(-1, 1, 1)) ** 2
    kernel = torch.exp(-reach / 2)
    kernel = (kernel / kernel.sum(dim=(1, 2), keepdim=True)).repeat_interleave(3, dim=0)[:, None]
    flat = pictures.reshape(1, 3 * count, *pictures.shape[2:])
    padded = functional.pad(flat, [_KERNEL // 2] * 4, mode="replicate")
    return functional.conv2d(padded, kernel, groups=3 * count).view_as(pictures)


def low_resolution(pictures: Tensor, random: Generator) -> Tensor:
    """Shrink faces to what a visitor metres away fills (all of one call alike), and enlarge them again."""
    size = pictures.shape[-1]
    small = max(int(size * _uniform(1, 0.32, 0.8, random).item()), 4)
    little = functional.interpolate(pictures, small, mode="bilinear", antialias=True)
    return functional.interpolate(little, size, mode="bicubic" if small % 2 else "bilinear")


def noise(pictures: Tensor, random: Generator) -> Tensor:
    """Add a sensor's noise, up to a deviation of 10 of 255 levels."""
    depth = _uniform(len(pictures), 2 / 255, 10 / 255, random).view(-1, 1, 1, 1)
    return pictures + depth * torch.randn(pictures.shape, generator=random, device=random.device)


def _cosine_basis() -> Tensor:
    """Return the 8 × 8 orthonormal DCT-II matrix."""
    k, n = torch.arange(8.0).view(8, 1), torch.arange(8.0).view(1, 8)
    basis = torch.cos((2 * n + 1) * k * math.pi / 16) / 2
    basis[0] /= math.sqrt(2)
    return basis


def compression(pictures: Tensor, random: Generator) -> Tensor:
    """Round the cosine coefficients of 8 × 8 blocks, high frequencies coarsely, as JPEG does."""
    count, _, height, width = pictures.shape
    basis = _cosine_basis().to(pictures.device)
    frequency = torch.arange(8.0, device=pictures.device)
    coarse = 10 + 6 * (frequency.view(8, 1) + frequency.view(1, 8))
    step = coarse * _uniform(count, 0.2, 1.6, random).view(-1, 1, 1, 1, 1, 1) / 255
    padded = functional.pad(pictures, [0, -width % 8, 0, -height % 8], mode="replicate")
    blocks = padded.unfold(2, 8, 8).unfold(3, 8, 8)
    rounded = (basis @ blocks @ basis.T / step).round() * step
    whole = (basis.T @ rounded @ basis).transpose(3, 4).reshape(padded.shape)
    return whole[:, :, :height, :width]


_EFFECTS: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "light": light,
    "cover": cover,
    "blur": blur,
    "low_resolution": low_resolution,
    "noise": noise,
    "compression": compression,
}


def augment(pictures: Tensor, size: int, how: Augmentation, random: Generator) -> Tensor:
    """Return training views of stored pictures.

    Parameters
    ----------
    pictures : uint8, n × stored × stored × 3, RGB, on the device of `random`.
    size : side of the view, at most the stored side.

    Returns
    -------
    float32, n × 3 × size × size in [−1, 1], channels last in memory.

    """
    views = place(pictures.permute(0, 3, 1, 2).float() / 255, size, how, random)
    for name, effect in _EFFECTS.items():
        struck = (_uniform(len(views), 0, 1, random) < getattr(how, name)).nonzero()[:, 0]
        if len(struck):
            views[struck] = effect(views[struck], random).clamp(0, 1)
    return (views * 2 - 1).contiguous(memory_format=torch.channels_last)


def plain(pictures: Tensor, size: int) -> Tensor:
    """Return the middle of stored pictures as the network takes it: what the door itself would encode."""
    start = (pictures.shape[1] - size) // 2
    middle = pictures[:, start : start + size, start : start + size].permute(0, 3, 1, 2).float()
    return ((middle - 127.5) / 127.5).contiguous(memory_format=torch.channels_last)
