"""Pictures as mp4 films: AV1, as lerobot writes them by default.

On 300 frames of CALVIN's static camera, with a key frame every other frame: AV1 (crf 30) takes 4.5 kB a frame and
0.4 ms to decode, H.264 (crf 18) 5.3 kB and 1.4 ms, both 2.5 grey levels from the originals; each gave every frame
under its number (PyAV 18.1; decoded on a busy machine). With one thread bytes follow from the pictures alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from benchmark.embodiment import CALVIN
from settings.scheduling import kept_scheduling

#: As info.json names it, and what encodes it.
CODEC, _ENCODER = "av1", "libsvtav1"
PIXELS = "yuv420p"
#: lerobot's own.
_OPTIONS = {"g": "2", "crf": "30", "svtav1-params": "lp=1"}
#: The encoder's own switch: otherwise it prints what it was told for every film.
_QUIET = ("SVT_LOG", "1")


def write_film(stream: BinaryIO, pictures: Iterable[np.ndarray], side: int) -> int:
    """How many frames were written. pictures: uint8 (side, side, 3) each; `stream` can be sought in."""
    import av
    from av.video.reformatter import Interpolation, VideoReformatter
    from av.video.stream import VideoStream

    os.environ.setdefault(*_QUIET)
    reformatter = VideoReformatter()
    exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    unit = Fraction(1, CALVIN.control_hz)
    count = 0
    with kept_scheduling() as put_back, av.open(stream, "w", format="mp4") as container:
        film = container.add_stream(_ENCODER, rate=CALVIN.control_hz, options=dict(_OPTIONS))
        assert isinstance(film, VideoStream)
        film.width, film.height, film.pix_fmt = side, side, PIXELS
        film.codec_context.time_base = unit
        film.codec_context.thread_count = 1
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            frame = reformatter.reformat(frame, format=PIXELS, interpolation=exact)
            frame.pts, frame.time_base = count, unit
            container.mux(film.encode(frame))
            if not count:
                put_back()  # the encoder's threads have begun
            count += 1
        container.mux(film.encode(None))
    return count
