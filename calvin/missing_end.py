"""Sets that end before their annotations do: a download or an extraction that was broken off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from calvin.frames import FrameFiles
from calvin.split import Demonstration


@dataclass(frozen=True)
class Remaining:
    """demonstrations: those whose frames can be there, by their place. annotations: the place of each in its file.
    left_out: the others, as `calvin.split.LeavingOut` tells it."""

    demonstrations: tuple[Demonstration, ...]
    annotations: tuple[int, ...]
    left_out: tuple[str, ...] = ()


def before_the_end(demonstrations: Sequence[Demonstration], frames: FrameFiles) -> Remaining:
    """Those of `demonstrations` that need no frame after the last one that is there.

    Frames that are missing before it stay a fault, told where they are read. All of them where none would be left. The
    folder is listed only where the last frame is missing.
    """
    everything = Remaining(tuple(demonstrations), tuple(one.index for one in demonstrations))
    if not demonstrations or frames.has(max(one.end for one in demonstrations)):
        return everything
    last = int(frames.on_disk().max(initial=-1))
    kept = [one for one in demonstrations if one.end <= last]
    if not kept:
        return everything
    gone = len(demonstrations) - len(kept)
    told = (
        f"{gone} of {len(demonstrations)} demonstrations: they need frames after {last}, the last that is there "
        "(was a download or an extraction broken off?)"
    )
    return Remaining(
        tuple(replace(one, index=place) for place, one in enumerate(kept)),
        tuple(one.index for one in kept),
        (told,),
    )
