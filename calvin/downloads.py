"""Which scene each frame of CALVIN's own downloads was recorded in: their `scene_info.npy` was wrong at first.

The README of mees/calvin dates the corrections: ABC and ABCD on 16 September 2022, with new annotations, and D
on 24 February 2023. The ranges below are those of the corrected files as denizyuret/calvin-scripts printed them
(calvin_scene_info.py), which agree with the numbers of frames in the scenes. Before, ABCD had A and D the other
way round (mees/calvin, issue 14) and D was said to be A (issue 40).

All of them were drawn with EGL (mees/calvin_env, issue 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calvin.annotations import SceneRange


@dataclass(frozen=True)
class _Download:
    """A download's name, when it was corrected, and first and last frame of each scene of its training split."""

    name: str
    corrected: str
    scenes: dict[str, tuple[int, int]]

    @property
    def last_frame(self) -> int:
        return max(end for _, end in self.scenes.values())


_DOWNLOADS = (
    _Download("D", "24 February 2023", {"D": (0, 611_098)}),
    _Download(
        "ABC",
        "16 September 2022",
        {"B": (0, 598_909), "C": (598_910, 1_191_338), "A": (1_191_339, 1_795_044)},
    ),
    _Download(
        "ABCD",
        "16 September 2022",
        {
            "D": (0, 611_098),
            "B": (611_099, 1_210_008),
            "C": (1_210_009, 1_802_437),
            "A": (1_802_438, 2_406_143),
        },
    ),
)

#: Last frames of the other folders (the table in the README of denizyuret/calvin-scripts).
_DEBUG = "debug"
_OTHER_LAST_FRAMES = {
    ("training", 361_252): _DEBUG,
    ("validation", 555_241): _DEBUG,
    ("validation", 420_498): "D, ABC and ABCD",
}


def known_download(
    split: str, ranges: Sequence[SceneRange], recorded: Sequence[tuple[int, int]]
) -> str | None:
    """The name of the download whose `split` this is, by its last frame as in `fault_of_scenes`; None for other data.

    recorded: first and last frame of each recorded episode.
    """
    last_recorded = max((end for _, end in recorded), default=None)
    if last_recorded is not None and (split, last_recorded) in _OTHER_LAST_FRAMES:
        return _OTHER_LAST_FRAMES[split, last_recorded]
    last_frames = {last_recorded, max((r.end for r in ranges), default=None)}
    return next((download.name for download in _DOWNLOADS if download.last_frame in last_frames), None)


def fault_of_scenes(ranges: Sequence[SceneRange], last_recorded: int | None) -> str | None:
    """What is wrong with the scenes of a download that was made before they were corrected.

    A download is known by its last frame, that of its last recorded episode or of its scenes; of its scenes and
    frames some may have been left out. None where nothing is wrong, or the data are no known download's.
    """
    last_frames = {last_recorded, max((r.end for r in ranges), default=None)}
    for download in _DOWNLOADS:
        if download.last_frame not in last_frames:
            continue
        for found in ranges:
            first, last = download.scenes.get(found.scene, (0, -1))
            if not first <= found.start <= found.end <= last:
                right = ", ".join(f"{scene} {a}-{b}" for scene, (a, b) in download.scenes.items())
                return (
                    f"scene {found.scene} is said to be frames {found.start}-{found.end}, but the {download.name} "
                    f"download has {right} since it was corrected on {download.corrected}; get scene_info.npy and "
                    "lang_annotations anew."
                )
    return None
