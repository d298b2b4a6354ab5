"""Plain PNGs are decoded to what Pillow makes of them; all others, and damaged ones, are left to it."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from calvin.lerobot_format.pictures import decoded
from calvin.lerobot_format.plain_png import plain_png
from errors import DatasetError

SHAPE = (84, 84, 3)


def noise(seed: int, size: int = 84, channels: int = 3) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (size, size, channels), dtype=np.uint8)


def png(picture: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", **options)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_pictures_one_after_the_other_are_each_its_own() -> None:
    smooth = np.broadcast_to(np.arange(84, dtype=np.uint8)[:, None, None], SHAPE)
    for picture in (noise(1), noise(2), np.ascontiguousarray(smooth), noise(3)):
        found = plain_png(png(picture), SHAPE)
        assert found is not None
        np.testing.assert_array_equal(found, picture)
        np.testing.assert_array_equal(found, np.asarray(Image.open(io.BytesIO(png(picture)))))


@pytest.mark.parametrize(
    "content",
    [
        png(noise(1, 85)),
        png(noise(1, channels=4)),
        png(noise(1)[..., 0]),
        png(noise(1))[:-1],
        png(noise(1)) + b"x",
        png(noise(1))[:9000],
        b"",
        b"no picture",
        png(noise(1))[:33] + chunk(b"tRNS", bytes(6)) + png(noise(1))[33:],
        png(noise(1))[:33] + chunk(b"IDAT", b"no zlib") + chunk(b"IEND", b""),
    ],
)
def test_what_is_no_plain_png_of_that_size_is_left_to_pillow(content: bytes) -> None:
    assert plain_png(content, SHAPE) is None
    assert plain_png(png(noise(4)), SHAPE) is not None, "and the next one is decoded"


def of_rows(rows: int, kind: int = 0) -> bytes:
    """A file whose checksums are right, with so many rows of `SHAPE`, each filtered in this way."""
    height, width, channels = SHAPE
    row = bytes([kind]) + bytes(range(1, 4)) * width
    assert len(row) == 1 + width * channels
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(row * rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("content", [of_rows(40), of_rows(0), of_rows(84, kind=9)])
def test_pixels_that_end_too_soon_are_never_those_of_the_picture_before(content: bytes) -> None:
    assert plain_png(of_rows(84), SHAPE) is not None
    for before in (1, 2):
        plain_png(png(noise(before)), SHAPE)
        assert plain_png(content, SHAPE) is None


def test_a_bit_that_fell_over_is_met() -> None:
    content = bytearray(png(noise(1)))
    content[5000] ^= 1
    assert plain_png(bytes(content), SHAPE) is None
    with pytest.raises(DatasetError, match="x is damaged"):
        decoded(bytes(content), SHAPE, "x")
