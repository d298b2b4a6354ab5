"""`meta/calvin.json`: what CALVIN's files say of a split and LeRobot has no place for, as Baton writes it.

Who drew the pictures is evidence only while they are the ones that it was written for: it is sealed with sizes of all
files of frames and with both ends of the first and the last.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.tasks import TASKS
from calvin.instruction_text import fault_of_instruction
from calvin.lerobot_format.films import film_mark
from calvin.split import Record
from errors import DatasetError
from settings import files
from settings.documents import parse_json
from settings.faults import need_fact
from settings.regular import is_there, read_text

FILE = Path("meta", "calvin.json")
_MOST_BYTES = 16 << 20


@dataclass(frozen=True)
class Beside:
    """By split. records: who drew the pictures. instructions: the evaluation instruction by task."""

    records: Mapping[str, Record] = field(default_factory=dict)
    instructions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def write_beside(root: Path, beside: Beside, frames: Iterable[Path]) -> None:
    """frames: the files that hold the frames, tables and films. Raises OSError."""
    content = {
        "recordings": {split: record.document for split, record in beside.records.items()},
        "instructions": beside.instructions,
    }
    files.write(root / FILE, json.dumps({**content, "seal": _seal(root, content, frames)}, indent=1) + "\n")


def read_beside(root: Path, frames: Iterable[Path] | None) -> Beside | None:
    """None where there is no such file. Without `records` where they are of other frames; of frames that may not all be
    there (None), only by what pictures lost detail is believed.

    Raises DatasetError where the file has another form.
    """
    file = root / FILE
    if not is_there(file):
        return None
    try:
        content: Any = parse_json(read_text(file, _MOST_BYTES))
        recordings, instructions, seal = content["recordings"], content["instructions"], content["seal"]
        records = {str(split): Record(**about) for split, about in recordings.items()}
        phrases = {
            str(split): {str(task): text for task, text in of.items()} for split, of in instructions.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        need_fact(error)
        raise DatasetError(f"{file} is damaged.") from None
    for of in phrases.values():
        for task, text in of.items():
            if task not in TASKS or fault_of_instruction(text) is not None:
                raise DatasetError(f"{file}: instructions are not sentences of CALVIN's tasks.")
    known = all(record.is_known for record in records.values())
    if frames is None:
        lost = {split: Record(None, None, one.losses) for split, one in records.items() if one.losses}
        return Beside(lost if known else {}, phrases)
    body = {"recordings": recordings, "instructions": instructions}
    return Beside(records if known and seal == _seal(root, body, frames) else {}, phrases)


def _seal(root: Path, content: Mapping[str, Any], frames: Iterable[Path]) -> str:
    """Raises DatasetError for a file that is missing."""
    paths = sorted(set(frames))
    try:
        sizes = [[path.relative_to(root).as_posix(), path.stat().st_size] for path in paths]
    except OSError as error:
        need_fact(error)
        raise DatasetError(f"{error.filename} is missing: an episode is listed to be there.") from None
    kinds: dict[tuple[str, ...], list[Path]] = {}
    for path in paths:
        kinds.setdefault(
            tuple(part for part in path.relative_to(root).parts[:-1] if "chunk-" not in part), []
        ).append(path)
    marks = [[film_mark(paths_[0]), film_mark(paths_[-1])] for _, paths_ in sorted(kinds.items())]
    return hashlib.sha256(json.dumps([content, sizes, marks], sort_keys=True).encode()).hexdigest()
