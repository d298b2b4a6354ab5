"""Plain PNGs are decoded to what Pillow makes of them; all others, and damaged ones, are left to it."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from calvin.lerobot_format.pictures import decoded
from calvin.lerobot_format.plain_png import plain_png_decoder
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
    decode = plain_png_decoder(SHAPE)
    smooth = np.broadcast_to(np.arange(84, dtype=np.uint8)[:, None, None], SHAPE)
    for picture in (noise(1), noise(2), np.ascontiguousarray(smooth), noise(3)):
        found = decode(png(picture))
        assert found is not None
        np.testing.assert_array_equal(found, picture)
        np.testing.assert_array_equal(found, decoded(png(picture), SHAPE, "x"))


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
    decode = plain_png_decoder(SHAPE)
    assert decode(content) is None
    assert decode(png(noise(4))) is not None, "and the next one is decoded"


def test_a_bit_that_fell_over_is_met() -> None:
    content = bytearray(png(noise(1)))
    content[5000] ^= 1
    assert plain_png_decoder(SHAPE)(bytes(content)) is None
    with pytest.raises(DatasetError, match="x is damaged"):
        decoded(bytes(content), SHAPE, "x")
