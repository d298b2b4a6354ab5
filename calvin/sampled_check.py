"""A look at some frames of a split before work begins on it; `data check` looks at all."""

from __future__ import annotations

from collections.abc import Sequence

from calvin.action_check import ActionFindings, ActionTable, look_at_actions
from calvin.picture_check import PictureTable
from calvin.split import Split, annotated_frames
from errors import DatasetError

#: Frames whose archive's directory is read (0.3 ms each), and that are read whole (5 ms each).
_ARCHIVES_OPENED = 10_000
_FRAMES_READ = 200

#: Places at which two more frames are read, to see what moves between them; and neighbours that are read where
#: something is off, to see whether actions are those of another frame.
_MOTIONS_READ, _NEIGHBOURS_READ = 25, 60


def check_sample(split: Split) -> None:
    """Open archives and read frames, evenly spaced.

    Raises DatasetError for a damaged frame, where pictures systematically show nothing (`calvin.picture_check`), and
    where `rel_actions` are systematically not CALVIN's (`calvin.action_check`): a policy would learn something else
    from each of them. A fault that this misses is found by `data check`; a damaged frame also ends its ingest job.
    """
    frames = annotated_frames(split)
    for frame in frames[:: len(frames) // _ARCHIVES_OPENED + 1]:
        split.content_of(frame)
    chosen = frames[:: len(frames) // _FRAMES_READ + 1]
    moved = chosen[:: len(chosen) // _MOTIONS_READ + 1]
    wanted = {*chosen, *(frame + step for frame in moved for step in (1, 2))} & set(frames)
    pictures = PictureTable()
    table, found = _look(split, wanted, pictures)
    _refuse(pictures.findings(split.folder).systematic, len(table.motions), len(frames))
    if found.systematic or found.notes:
        near = chosen[:: len(chosen) // _NEIGHBOURS_READ + 1]
        wanted |= {frame + step for frame in near for step in (-1, 1)} & set(frames)
        table, found = _look(split, wanted, pictures)
    _refuse(found.systematic, len(table.motions), len(frames))


def _refuse(systematic: Sequence[str], looked_at: int, of: int) -> None:
    if systematic:
        sentence = systematic[0].removesuffix(".")
        raise DatasetError(f"{sentence} (looked at {looked_at} of {of} frames; data check reads all)")


def _look(split: Split, frames: set[int], pictures: PictureTable) -> tuple[ActionTable, ActionFindings]:
    table = ActionTable(len(frames))
    for frame in sorted(frames):
        arrays = split.read_frame(frame)
        table.add(frame, arrays)
        pictures.add(frame, arrays)
    return table, look_at_actions(table.motions, split.folder)
