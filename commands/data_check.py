"""What `data check` finds in the splits of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calvin.overview import Overview
from calvin.shared_frames import told_shared
from calvin.split import Reading, Split, annotated_frames, survey_split
from commands.data_tables import as_json as overview_as_json
from commands.dataset_options import with_progress
from errors import DatasetError, WronglySaid

#: What is said of a split, and its tables.
_Checked = tuple[dict[str, Any], Overview | None]


def surveyed_split(folder: Path, split: str, reading: Reading) -> tuple[Split | None, list[str]]:
    """The split, None where it cannot be opened, and what is wrong so far. Raises WronglySaid for what `reading` says,
    which is no problem of the dataset's."""
    try:
        opened, faults = survey_split(folder, split, reading)
        for fault in faults:
            if isinstance(fault, WronglySaid):
                raise fault
    except WronglySaid:
        raise
    except DatasetError as error:
        return None, [str(error)]
    return opened, list(map(str, faults))


def result_of(opened: Split | None, faults: list[str]) -> _Checked:
    """What `data check` says of a split as JSON, and the same for its tables."""
    if opened is None:
        nothing = {"demonstrations": 0, "tasks": 0, "frames": 0}
        return {**nothing, "problems": faults, "notes": [], "renderer": None, "table": None}, None
    frames = annotated_frames(opened)
    findings = opened.examine(with_progress(f"{opened.split} frames", frames, len(frames)))
    overview = findings.overview
    return {
        "demonstrations": len(opened.demonstrations),
        "tasks": len({demonstration.task for demonstration in opened.demonstrations}),
        "frames": len(frames),
        "problems": [*faults, *findings.problems],
        "notes": list(findings.notes),
        "renderer": _renderer(opened),
        "table": None if overview is None else overview_as_json(overview),
    }, overview


def told_once(checked: Mapping[str, _Checked], opened_none: bool) -> dict[str, _Checked]:
    """By the names that are shown: of a dataset that cannot be opened both splits have the same to say."""
    first, *others = checked.values()
    if opened_none and all(result == first[0] for result, _ in others):
        return {" and ".join(checked): first}
    return dict(checked)


def notes_on_both(trained: Split | None, held_out: Split | None) -> list[str]:
    if trained is None or held_out is None:  # a problem already
        return []
    note = told_shared(held_out, trained)
    return [] if note is None else [note]


def _renderer(split: Split) -> dict[str, str | None] | None:
    """What drew the frames, and what that rests on; None where the configuration cannot be read, a problem already."""
    try:
        recording = split.recording()
    except DatasetError:
        return None
    return {"drawn_by": recording.renderer, "basis": recording.basis}
