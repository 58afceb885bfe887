"""What a door camera does to a face: each effect does its own thing, and nothing else happens."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the extra [train] is not installed")

from train.augment import (  # noqa: E402
    Augmentation,
    augment,
    blur,
    compression,
    cover,
    low_resolution,
    noise,
    place,
    plain,
)

STILL = Augmentation(
    rotation_deg=0,
    scale=0,
    shift_px=0,
    mirror=0,
    light=0,
    cover=0,
    blur=0,
    low_resolution=0,
    noise=0,
    compression=0,
)


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stored(count: int = 4) -> torch.Tensor:
    return torch.randint(0, 256, (count, 120, 120, 3), dtype=torch.uint8, generator=source(7))


def smooth(count: int = 4) -> torch.Tensor:
    coarse = torch.rand(count, 3, 8, 8, generator=source(3))
    return torch.nn.functional.interpolate(coarse, 112, mode="bicubic").clamp(0, 1)


def roughness(pictures: torch.Tensor) -> float:
    return float((pictures[..., 1:] - pictures[..., :-1]).square().mean())


def test_without_any_effect_the_view_is_the_middle_of_the_picture() -> None:
    pictures = stored()
    view = augment(pictures, 112, STILL, source())
    assert view.shape == (4, 3, 112, 112)
    assert view.is_contiguous(memory_format=torch.channels_last)
    assert (view - plain(pictures, 112)).abs().max() < 2e-3


def test_mirrored_view_is_the_mirror_image() -> None:
    pictures = smooth() * torch.linspace(0, 1, 112)
    still = place(pictures, 112, STILL, source())
    mirrored = place(pictures, 112, Augmentation(0, 0, 0, mirror=1), source())
    assert (mirrored - still.flip(3)).abs().max() < 1e-4


def test_geometry_moves_pictures_differently_and_same_seed_alike() -> None:
    pictures = smooth(1).expand(2, -1, -1, -1).contiguous()
    first = place(pictures, 100, Augmentation(mirror=0), source(1))
    assert (first[0] - first[1]).abs().max() > 0.01
    assert torch.equal(first, place(pictures, 100, Augmentation(mirror=0), source(1)))


def test_every_effect_at_once_stays_within_range() -> None:
    every = Augmentation(light=1, cover=1, blur=1, low_resolution=1, noise=1, compression=1)
    view = augment(stored(8), 112, every, source())
    assert view.isfinite().all()
    assert view.min() >= -1
    assert view.max() <= 1


@pytest.mark.parametrize("effect", [blur, low_resolution])
def test_effects_that_lose_detail_smooth_a_rough_picture(effect) -> None:
    rough = torch.rand(4, 3, 112, 112, generator=source())
    lost = effect(rough, source())
    assert roughness(lost) < 0.8 * roughness(rough)
    assert float((lost.mean() - rough.mean()).abs()) < 0.01


def test_noise_roughens_a_smooth_picture_within_ten_levels() -> None:
    pictures = smooth()
    grain = (noise(pictures, source()) - pictures).std() * 255
    assert 2 <= float(grain) <= 10


def test_compression_keeps_a_flat_picture_and_changes_a_rough_one() -> None:
    flat = torch.full((2, 3, 112, 112), 0.5)
    assert (compression(flat, source()) - flat).abs().max() < 0.1
    rough = torch.rand(2, 3, 112, 112, generator=source())
    assert (compression(rough, source()) - rough).abs().mean() > 0.02


def test_compression_works_in_blocks_of_eight_in_their_own_place() -> None:
    picture = torch.full((1, 3, 112, 112), 0.5)
    picture[:, :, 17, 42] = 1.0
    changed = (
        compression(picture, source()) - compression(torch.full_like(picture, 0.5), source())
    ).abs() > 1e-4
    rows, columns = changed[0, 0].nonzero().T
    assert 16 <= rows.min() <= rows.max() < 24
    assert 40 <= columns.min() <= columns.max() < 48


def test_cover_hides_one_rectangle_of_one_colour() -> None:
    pictures = torch.rand(1, 3, 112, 112, generator=source())
    hidden = (cover(pictures, source(2)) != pictures).any(dim=1)[0]
    rows, columns = hidden.nonzero().T
    area = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
    assert 0 < hidden.sum() == area
