"""Reads every frame of a LeRobot split and says what is wrong with it, and how the set was understood."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from calvin.action_check import ActionTable, look_at_actions
from calvin.overview import Survey
from calvin.picture_check import PictureTable
from calvin.split import TRAINING, Findings, annotated_frames
from errors import DatasetError

if TYPE_CHECKING:
    from calvin.lerobot_format.look import Look
    from calvin.lerobot_format.split import LeRobotSplit


def examine(split: LeRobotSplit, frames: Iterable[int]) -> Findings:
    """`frames`: those of its demonstrations, in order; they may report how far it has come."""
    problems, look = [], split.dataset.look
    try:
        look = split.dataset.whole
    except DatasetError as error:  # of episodes that opening did not look at
        problems.append(str(error))
    table, pictures, survey = ActionTable(len(annotated_frames(split))), PictureTable(), Survey(split)
    faults: dict[str, list[str]] = {}  # what is wrong, without the frame -> sentences
    for frame in frames:
        try:
            arrays = split.read_frame(frame)
        except DatasetError as error:
            kind = "".join(letter for letter in str(error) if not letter.isdecimal())
            faults.setdefault(kind, []).append(str(error))
            continue
        table.add(frame, arrays)
        pictures.add(frame, arrays)
        survey.add(frame, arrays)
    problems += map(_told_once, faults.values())
    seen = pictures.findings(split.folder)
    actions = look_at_actions(table.motions, split.folder)
    overview = survey.overview()
    problems += [*seen.systematic, *actions.systematic, *actions.faults]
    if overview.wrong_scenes is not None:
        problems.append(f"data.scenes: {overview.wrong_scenes}.")
    scenes = overview.told_of_scenes("say it with data.scenes where you know it")
    return Findings(tuple(problems), (*seen.notes, *actions.notes, *_notes(split, look), *scenes), overview)


def _notes(split: LeRobotSplit, look: Look | None) -> Iterator[str]:
    dataset, parts = split.dataset, split.parts
    if split.split == TRAINING or not split.demonstrations:
        if parts.basis is None:
            yield (
                f"nothing tells which demonstrations are CALVIN's validation ({parts.question}): submit-ablation asks "
                "for data.validation_episodes or data.validation_root"
            )
        elif not parts.validation:
            yield f"no demonstration is of the validation: {parts.basis}"
    yield from (f"left out: {sentence}" for sentence in split.left_out)
    if not split.demonstrations:
        return
    spaced = [d for d in split.demonstrations if d.instruction != d.instruction.strip()]
    if spaced:
        yield (
            f"{len(spaced)} instructions have spaces around them, which are kept (first: of the frames from "
            f"{spaced[0].start} on)"
        )
    if look is not None:
        yield from look.reasons
        yield from look.notes
    yield from dataset.notes_on_files
    if "scene_obs" not in dataset.columns:
        yield "without scene_obs nothing can be replayed, and no frame drawn anew"
    losses = split.recording().losses
    yield f"pictures lost detail to {losses}" if losses else "pictures are lossless"


def _told_once(sentences: list[str]) -> str:
    """The first of sentences that say the same of several frames, with their number."""
    if len(sentences) == 1:
        return sentences[0]
    more = len(sentences) - 1
    plural = "s" if more > 1 else ""
    return f"{sentences[0].removesuffix('.')}; the same holds for {more} more frame{plural}."
