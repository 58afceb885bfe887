"""Photographs as people have them, and files that only pretend."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image as Pillow

from doorguard.errors import UnreadableImageError
from doorguard.vision import images
from doorguard.vision.images import load_image

RED_LEFT = np.zeros((40, 60, 3), np.uint8)
RED_LEFT[:, :30] = (250, 10, 10)
RED_LEFT[:, 30:] = (10, 10, 250)
ORIENTATION = 0x0112


def save(path: Path, picture: Pillow.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        load_image(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "heic"])
def test_load_image_reads_every_format(tmp_path: Path, suffix: str) -> None:
    pillow_heif.register_heif_opener()
    image = load_image(save(tmp_path / f"p.{suffix}", Pillow.fromarray(RED_LEFT)))
    assert image.shape == (40, 60, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert np.abs(image[20, 8].astype(int) - (250, 10, 10)).max() < 40
    assert np.abs(image[20, 52].astype(int) - (10, 10, 250)).max() < 40


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "heic"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_load_image_puts_every_exif_orientation_upright(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    pillow_heif.register_heif_opener()
    stored = {
        1: RED_LEFT,
        2: RED_LEFT[:, ::-1],
        3: RED_LEFT[::-1, ::-1],
        4: RED_LEFT[::-1],
        5: RED_LEFT.transpose(1, 0, 2),
        6: np.rot90(RED_LEFT, 1),
        7: np.rot90(RED_LEFT, 2).transpose(1, 0, 2),
        8: np.rot90(RED_LEFT, -1),
    }[orientation]
    exif = Pillow.Exif()
    exif[ORIENTATION] = orientation
    picture = Pillow.fromarray(np.ascontiguousarray(stored))
    image = load_image(save(tmp_path / f"p.{suffix}", picture, exif=exif.tobytes()))
    assert image.shape == (40, 60, 3)
    assert np.abs(image[20, 8].astype(int) - (250, 10, 10)).max() < 40


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16", "PA"])
def test_load_image_turns_every_mode_into_rgb(tmp_path: Path, mode: str) -> None:
    level = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (8, 1))
    if mode == "I;16":
        picture = Pillow.fromarray(level.astype(np.uint16) * 257)
    elif mode == "PA":
        picture = Pillow.fromarray(level).convert("RGBA").quantize()
    else:
        picture = Pillow.fromarray(level).convert(mode)
    image = load_image(save(tmp_path / "p.png", picture))
    assert image.shape == (8, 64, 3)
    assert image[:, :4].mean() < 30
    assert image[:, -4:].mean() > 225
    if mode not in ("1", "P", "PA"):
        assert np.abs(image[0, :, 0].astype(int) - level[0]).max() <= 1


def test_load_image_of_a_cmyk_jpeg_reads_its_colours(tmp_path: Path) -> None:
    image = load_image(save(tmp_path / "p.jpg", Pillow.fromarray(RED_LEFT).convert("CMYK")))
    assert image.shape == (40, 60, 3)
    assert image[20, 8, 0] > 150 > image[20, 8, 2]


def test_load_image_lays_transparency_on_white(tmp_path: Path) -> None:
    clear = Pillow.new("RGBA", (8, 8), (0, 255, 0, 0))
    assert load_image(save(tmp_path / "p.png", clear)).min() == 255
    palette = Pillow.new("P", (8, 8), 3)
    palette.putpalette([0, 255, 0] * 256)
    assert load_image(save(tmp_path / "q.png", palette, transparency=3)).min() == 255


def test_load_image_takes_the_format_from_the_content(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Pillow.fromarray(RED_LEFT).save(path, format="PNG")
    np.testing.assert_array_equal(load_image(path), RED_LEFT)


def test_load_image_ignores_damaged_exif(tmp_path: Path) -> None:
    for index, exif in enumerate((b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\xff\xff", b"Exif\0\0")):
        path = save(tmp_path / f"{index}.jpg", Pillow.fromarray(RED_LEFT), exif=exif)
        assert load_image(path).shape == (40, 60, 3)


def test_load_image_of_an_orientation_that_is_no_number_is_upright(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "p.png", Pillow.fromarray(RED_LEFT))
    monkeypatch.setattr(Pillow.Image, "getexif", lambda _: {ORIENTATION: (6, 1)})
    np.testing.assert_array_equal(load_image(path), RED_LEFT)


# Files that are refused


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "heic"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    pillow_heif.register_heif_opener()
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    path = save(tmp_path / f"p.{suffix}", Pillow.fromarray(noise))
    os.truncate(path, int(path.stat().st_size * share))
    refusal(path)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header claims a size and which holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(30_000, 30_000), (10_000, 10_000), (8_001, 8_000), (64_000_001, 1)])
def test_a_picture_of_too_many_pixels_is_refused_before_decoding(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of_size(*size))
    monkeypatch.setattr(Pillow.Image, "load", lambda _: pytest.fail("it was decoded"))
    assert "64 megapixels" in refusal(path)


def test_a_picture_of_just_64_megapixels_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png_of_size(8_000, 8_000))
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_formats_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "photo.jpg"
    Pillow.fromarray(RED_LEFT).save(path, format=kind)
    assert "no JPEG, PNG, WebP or HEIC" in refusal(path)


def test_a_text_named_jpg_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.jpg"
    path.write_text("Dear guard, please let me in.\n" * 50, encoding="utf-8")
    assert "no JPEG, PNG, WebP or HEIC" in refusal(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()
    assert "is empty" in refusal(path)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert "a directory" in refusal(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "none.jpg")


def test_a_path_no_file_system_knows_is_refused() -> None:
    with pytest.raises(UnreadableImageError):
        load_image(Path("a\0b.jpg"))


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "pipe.jpg"
    os.mkfifo(path)
    assert "no regular file" in refusal(path)


def test_a_file_too_large_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "FILE_MAX_BYTES", 1000)
    path = tmp_path / "large.jpg"
    path.touch()
    os.truncate(path, 1001)
    assert "larger than" in refusal(path)


def test_a_decoder_that_fails_without_a_word_is_still_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise MemoryError

    path = save(tmp_path / "p.png", Pillow.fromarray(RED_LEFT))
    monkeypatch.setattr(Pillow.Image, "convert", fail)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    assert "MemoryError" in refusal(path)


def test_bits_flipped_anywhere_never_escape_as_another_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    pillow_heif.register_heif_opener()
    for suffix in ("jpeg", "png", "webp", "heif"):
        stream = io.BytesIO()
        Pillow.fromarray(RED_LEFT).save(stream, format=suffix)
        sound = np.frombuffer(stream.getvalue(), np.uint8)
        for _ in range(40):
            broken = sound.copy()
            places = rng.integers(0, len(broken), 3)
            broken[places] = rng.integers(0, 256, 3, dtype=np.uint8)
            path = tmp_path / "p"
            path.write_bytes(broken.tobytes())
            try:
                assert load_image(path).ndim == 3
            except UnreadableImageError as error:
                assert "\n" not in str(error)
