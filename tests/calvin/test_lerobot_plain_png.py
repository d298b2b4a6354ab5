"""Plain PNGs are decoded to what Pillow makes of them; all others, and damaged ones, are left to it."""

from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from calvin.lerobot_format import plain_png as plain
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


@pytest.fixture(autouse=True, params=["isal.isal_zlib", "zlib"])
def unpacker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the libraries that unpack pixels, where it is installed."""
    monkeypatch.setattr(plain, "unpacker", pytest.importorskip(request.param))


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
        png(noise(1))[:33] + chunk(b"IEND", b""),
        png(noise(1))[:33] + png(noise(1))[8:],
        png(noise(1))[:-12],
        png(noise(1))[:-12] + chunk(b"IEND", b"x"),
    ],
    ids=lambda content: f"{len(content)} bytes",
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


def of_stream(stream: bytes, *, parts: int = 1) -> bytes:
    """A file whose checksums are right, with this stream of pixels in so many chunks."""
    height, width, _ = SHAPE
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    size = -(-len(stream) // parts)
    data = [chunk(b"IDAT", stream[at : at + size]) for at in range(0, len(stream), size)]
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(data) + chunk(b"IEND", b"")


ROW = 1 + 84 * 3
WHOLE = zlib.compress(bytes(84 * ROW))


@pytest.mark.parametrize(
    "content",
    [
        *(of_rows(rows) for rows in (0, 1, 40, 83, 85, 40_000)),
        *(of_rows(84, kind=kind) for kind in (5, 9, 255)),
        *(of_stream(WHOLE[:-cut]) for cut in (1, 4, 5, 40)),
        of_stream(WHOLE[:-4] + bytes(4)),
        of_stream(WHOLE + b"x"),
        of_stream(WHOLE + WHOLE),
        of_stream(zlib.compress(bytes(84 * ROW - 1))),
        of_stream(zlib.compress(bytes(84 * ROW + 1))),
        of_stream(zlib.compress(bytes(84 * ROW))[2:]),
    ],
    ids=lambda content: f"{len(content)} bytes",
)
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


@pytest.mark.parametrize("shape", [(84, 84, 3), (200, 200, 3), (1, 1, 3), (3, 257, 3)])
def test_rows_filtered_in_any_way_are_what_pillow_makes_of_them(shape: tuple[int, ...]) -> None:
    height, width, _ = shape
    numbers = np.random.default_rng(0)
    rows = numbers.integers(0, 256, (height, 1 + 3 * width), dtype=np.uint8)
    for kinds in (0, 1, 2, 3, 4, numbers.integers(0, 5, height)):
        rows[:, 0] = kinds
        head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows.tobytes())) + chunk(b"IEND", b"")
        content = b"\x89PNG\r\n\x1a\n" + data
        found = plain_png(content, shape)
        assert found is not None
        np.testing.assert_array_equal(found, np.asarray(Image.open(io.BytesIO(content))))


@pytest.mark.parametrize("parts", [1, 2, 7, 10_000])
def test_a_stream_may_lie_in_any_number_of_chunks(parts: int) -> None:
    found = plain_png(of_stream(WHOLE, parts=parts), SHAPE)
    assert found is not None and not found.any()


def test_threads_decode_beside_each_other() -> None:
    pictures = [noise(number) for number in range(40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda picture: plain_png(png(picture), SHAPE), pictures))
    for picture, made in zip(pictures, found):
        np.testing.assert_array_equal(made, picture)
