"""Frames of mp4 files by their number: never by a time, which floats and a wrong rate get wrong.

A film's packets are listed once, without decoding: the n-th frame is the one with the n-th smallest time stamp, a whole
number. PyAV is imported on use: a set without films needs none of it.
"""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from errors import DatasetError
from settings.faults import gives_memory, need_fact
from settings.regular import open_regular
from settings.shown import cut

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_MOST_FRAMES = 10_000_000
#: Packets of a film that a decoder is given for one frame, at most: codecs look this far ahead and back.
_MOST_BEHIND = 1000
_SAMPLE_BYTES = 1 << 20
#: More than PyAV takes at once for pictures of a camera of CALVIN's.
_DECODER_BYTES = 64 << 20
_KEPT_INDEXES = 64


@dataclass(frozen=True)
class FilmIndex:
    """times: stamps of the frames in the order they are shown in, in units of `unit` seconds. keys: for each key
    frame its number among them, sorted, and the stamp to seek to; one that an edit list hides has the number of the
    frame behind it.
    """

    times: tuple[int, ...]
    keys: tuple[tuple[int, int], ...]
    unit: Fraction
    codec: str
    pixels: str

    def __len__(self) -> int:
        return len(self.times)

    def nearest(self, seconds: float) -> int:
        """The number of the frame that is shown at or nearest to this time."""
        wanted = seconds / float(self.unit)
        after = bisect_right(self.times, wanted)
        around = [place for place in (after - 1, after) if 0 <= place < len(self.times)]
        return min(around, key=lambda place: abs(self.times[place] - wanted))


@dataclass(frozen=True)
class FilmHeader:
    """frames: as the header counts them, 0 where it does not. rate: frames a second, 0 where it does not say."""

    frames: int
    rate: float
    codec: str
    pixels: str


def film_header(path: Path, shape: tuple[int, ...]) -> FilmHeader:
    """Raises DatasetError naming the file: missing, no mp4, or of other dimensions than `shape` (H, W, 3)."""
    with _opened(path, shape) as (_, stream):
        rate = float(stream.average_rate or 0)
        return FilmHeader(stream.frames, rate, stream.codec_context.codec.canonical_name, str(stream.pix_fmt))


def film_index(path: Path, shape: tuple[int, ...]) -> FilmIndex:
    """Raises DatasetError as `film_header`, and for a film that is damaged."""
    try:
        about = path.stat()
    except OSError as error:
        need_fact(error)
        raise DatasetError(f"{path} is missing.") from None
    return _index(path, shape, about.st_size, about.st_mtime_ns)


def film_mark(path: Path) -> str:
    """SHA-256 of name, size and both ends, where an mp4 lists its frames: another content has another mark."""
    try:
        about = path.stat()
    except OSError as error:
        need_fact(error)
        raise DatasetError(f"{path} is missing.") from None
    return _mark(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=4096)
def _mark(path: Path, size: int, changed: int) -> str:
    try:
        with open_regular(path) as stream:
            digest = hashlib.sha256(f"{path.name} {size} ".encode())
            for place in (0, max(0, size - _SAMPLE_BYTES)):
                stream.seek(place)
                digest.update(stream.read(_SAMPLE_BYTES))
    except OSError as error:
        need_fact(error)
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from None
    return digest.hexdigest()


def film_frames(path: Path, shape: tuple[int, ...], first: int, last: int) -> np.ndarray:
    """Frames `first` to `last` - 1, uint8 (n, H, W, 3). Raises DatasetError as `film_index`, and where the film ends
    before."""
    index = film_index(path, shape)
    if not 0 <= first < last <= len(index):
        raise DatasetError(f"{path} has {len(index)} frames; frame {last - 1} is wanted of it.")
    wanted = {time: place for place, time in enumerate(index.times[first:last])}
    frames = np.empty((last - first, *shape), dtype=np.uint8)
    convert = _converter()
    with _opened(path, shape) as (container, stream):
        key = bisect_right(index.keys, (first, 1 << 62)) - 1
        for start in dict.fromkeys((max(key, 0), 0)):  # from the beginning where a file's key frames are none
            missing = dict(wanted)
            with _told(path):
                container.seek(index.keys[start][1], stream=stream, backward=True, any_frame=False)
                behind = 0
                for frame in container.decode(stream):
                    place = None if frame.pts is None else missing.pop(frame.pts, None)
                    behind = behind + 1 if place is None else 0
                    if place is not None:
                        if (frame.height, frame.width) != shape[:2]:
                            raise DatasetError(f"{path} has a frame of {frame.width} x {frame.height}.")
                        frames[place] = convert(frame)
                    if not missing or (start and behind > _MOST_BEHIND):
                        break
            if not missing:
                return frames
    first_missing = first + min(missing.values())
    raise DatasetError(f"{path} is damaged: frame {first_missing} cannot be decoded.")


def _converter() -> Callable[[VideoFrame], np.ndarray]:
    """To RGB with all of swscale's digits: on `lerobot_mini` 2.77 grey levels from the originals, 3.01 without."""
    from av.video.reformatter import Interpolation, VideoReformatter

    reformatter = VideoReformatter()
    exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT

    def convert(frame: VideoFrame) -> np.ndarray:
        return reformatter.reformat(frame, format="rgb24", interpolation=exact).to_ndarray()

    return convert


def places_in_film(
    path: Path, index: FilmIndex, begins: Sequence[float], lengths: Sequence[int]
) -> list[int]:
    """The number of each episode's first frame in a film that several share, in the order they are given in.

    begins: seconds at which a set says that each begins. Where the film has just the frames of its episodes, their
    lengths alone tell; the seconds only give the order, and must agree to a frame. Otherwise the frame nearest to the
    second is taken. Raises DatasetError where they contradict, or the film is shorter.
    """
    order = sorted(range(len(begins)), key=begins.__getitem__)
    total, counted, firsts = sum(lengths), 0, [0] * len(begins)
    if total > len(index):
        raise DatasetError(f"{path} has {len(index)} frames, and its episodes have {total}: it is shorter.")
    for place in order:
        said = index.nearest(begins[place])
        if total == len(index):
            if abs(said - counted) > 1:
                raise DatasetError(
                    f"{path}: from_timestamp {begins[place]:g} is its frame {said}, and the episodes before have "
                    f"{counted} frames."
                )
            said = counted
        elif said < counted:
            raise DatasetError(
                f"{path}: from_timestamp {begins[place]:g} is its frame {said}, within the episode before."
            )
        firsts[place], counted = said, said + lengths[place]
    if counted > len(index):
        raise DatasetError(
            f"{path} has {len(index)} frames; the last of its episodes ends with {counted - 1}."
        )
    return firsts


@lru_cache(maxsize=_KEPT_INDEXES)
def _index(path: Path, shape: tuple[int, ...], size: int, changed: int) -> FilmIndex:
    """size, changed: of the file, so that another is looked at anew."""
    packets: list[tuple[int, int, bool, bool]] = []
    with _opened(path, shape) as (container, stream):
        with _told(path):
            for packet in container.demux(stream):
                if packet.size == 0 or (packet.is_discard and not packet.is_keyframe):
                    continue
                if packet.pts is None or len(packets) >= _MOST_FRAMES:
                    raise DatasetError(f"{path} has frames without a time, or more than {_MOST_FRAMES}.")
                seek_to = packet.pts if packet.dts is None else packet.dts
                packets.append((packet.pts, seek_to, packet.is_keyframe, bool(packet.is_discard)))
        unit = stream.time_base
        codec, pixels = stream.codec_context.codec.canonical_name, str(stream.pix_fmt)
    packets.sort()
    times = tuple(time for time, _, _, is_hidden in packets if not is_hidden)
    keys = tuple((bisect_left(times, time), seek_to) for time, seek_to, is_key, _ in packets if is_key)
    if not times or not keys or len(set(times)) != len(times) or unit is None:
        raise DatasetError(f"{path} has no frames that can be told apart by their times.")
    return FilmIndex(times, keys, unit, codec, pixels)


@contextmanager
def _opened(path: Path, shape: tuple[int, ...]) -> Iterator[tuple[InputContainer, VideoStream]]:
    import av

    try:
        file: io.BufferedReader = open_regular(path)
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing.") from None
    except OSError as error:
        need_fact(error)
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from None
    with file:
        with _told(path):
            # By name: what only calls itself mp4, and is a list of other files, is not followed.
            container = av.open(file, "r", format="mp4")
        with container:
            if len(container.streams.video) != 1:
                raise DatasetError(f"{path} has {len(container.streams.video)} pictures' streams, not one.")
            stream = container.streams.video[0]
            context = stream.codec_context
            if context is None:
                raise DatasetError(f"{path} is damaged, or of a codec that is not known.")
            if (context.height, context.width) != shape[:2]:
                raise DatasetError(
                    f"{path} has pictures of {context.width} x {context.height}, not {shape[1]} x {shape[0]}."
                )
            context.options = {"max_pixels": str(4 * shape[0] * shape[1])}
            context.thread_count = 1
            yield container, stream


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What PyAV raises, in one sentence that names the file."""
    import av

    try:
        yield
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        need_fact(error)
        if isinstance(error, MemoryError) and not gives_memory(_DECODER_BYTES):
            raise
        raise DatasetError(f"{path} is damaged, or no mp4: {cut(str(error), 120)}.") from None
