"""What a CALVIN split's small files say: annotations, episode bounds, scenes, instructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.tasks import SCENES, TASKS, UNKNOWN_SCENE
from calvin.instruction_text import fault_of_instruction
from calvin.pickle_values import Unread
from calvin.pickles import SMALL, load_npy_pickle
from errors import DatasetError
from settings.regular import is_there
from settings.shown import cut, shown

LANGUAGE_FOLDER, _LANGUAGE_FOLDERS = "lang_annotations", "lang_*"
SCENE_PREFIX = "calvin_scene_"
_INT64_END = 2**63
#: Of a demonstration, which is read as a whole; and the last one that a frame's name has digits for.
MOST_FRAMES, LAST_FRAME = 10_000, 10**12 - 1


@dataclass(frozen=True)
class Annotation:
    """Frames `start` to `end`, both inclusive, show `task`, described by `instruction`."""

    task: str
    instruction: str
    start: int
    end: int


@dataclass(frozen=True)
class SceneRange:
    """Frames `start` to `end`, both inclusive, were recorded in `scene` ("A".."D")."""

    scene: str
    start: int
    end: int


def language_file(folder: Path, name: str) -> Path:
    """`name` in `lang_annotations/`; where it is not, in the one other `lang_*` folder that has it (CALVIN's annotator
    calls them by the model of the embeddings), else beside the frames (older downloads).

    Raises DatasetError where several other folders have it: their annotations may differ.
    """
    usual, beside_frames = folder / LANGUAGE_FOLDER / name, folder / name
    if is_there(usual):
        return usual
    others = sorted(file for file in folder.glob(f"{_LANGUAGE_FOLDERS}/{name}") if is_there(file))
    if len(others) > 1:
        raise DatasetError(
            f"{folder} has {name} in {', '.join(cut(file.parent.name) for file in others)}; call the folder that is "
            f"meant {LANGUAGE_FOLDER}."
        )
    if others:
        return others[0]
    return beside_frames if is_there(beside_frames) else usual


def read_annotations(path: Path) -> tuple[Annotation | DatasetError, ...]:
    """The annotations in an `auto_lang_ann.npy`, in file order; at least one.

    In the place of one that cannot be used stands the error that says why. Raises DatasetError (UnsafePickle
    for a hostile file) naming the file and the field where the file as a whole cannot be read.
    """
    content = _mapping(load_npy_pickle(path), path, "content")
    language = _mapping(_field(content, "language", path), path, "language")
    info = _mapping(_field(content, "info", path), path, "info")
    tasks = _sequence(_field(language, "task", path), path, "language.task")
    phrases = _sequence(_field(language, "ann", path), path, "language.ann")
    ranges = _sequence(_field(info, "indx", path), path, "info.indx")
    if not len(tasks) == len(phrases) == len(ranges):
        raise DatasetError(
            f"{path}: language.task, language.ann and info.indx have {len(tasks)}, {len(phrases)} and "
            f"{len(ranges)} entries instead of equally many."
        )
    if not len(tasks):
        raise DatasetError(f"{path} has no annotation.")
    return tuple(
        _annotation(number, task, phrase, frames, path)
        for number, (task, phrase, frames) in enumerate(zip(tasks, phrases, ranges))
    )


def _annotation(number: int, task: Any, phrase: Any, frames: Any, path: Path) -> Annotation | DatasetError:
    if not isinstance(task, str) or task not in TASKS:
        return DatasetError(
            f"{path}: language.task[{number}] is {_shown(task)}, which is none of CALVIN's 34 tasks."
        )
    if (wrong := fault_of_instruction(phrase, _shown)) is not None:
        return DatasetError(f"{path}: language.ann[{number}] {wrong}.")
    try:
        start, end = _frame_range(frames, path, f"info.indx[{number}]")
    except DatasetError as error:
        return error
    if end - start >= MOST_FRAMES:
        return DatasetError(
            f"{path}: info.indx[{number}] runs from frame {start} to frame {end}; a demonstration has at most "
            f"{MOST_FRAMES} frames."
        )
    return Annotation(str(task), str(phrase), start, end)


def read_embeddings(path: Path) -> np.ndarray | None:
    """`language.emb` of an `auto_lang_ann.npy`, one row an annotation; None where the file has none.

    Raises DatasetError when there are not as many rows as annotations.
    """
    language = _mapping(
        _field(_mapping(load_npy_pickle(path), path, "content"), "language", path), path, "language"
    )
    if "emb" not in language:
        return None
    if isinstance(language["emb"], Unread):
        raise DatasetError(f"{path}: language.emb is {language['emb'].what}, not an array.")
    embeddings = _rows(language["emb"], path, "language.emb")
    count = len(_sequence(_field(language, "ann", path), path, "language.ann"))
    if embeddings.dtype.kind != "f" or embeddings.shape[:1] != (count,):
        raise DatasetError(
            f"{path}: language.emb is {embeddings.dtype} of shape {embeddings.shape}, not one row for each of"
            f" {count} annotations."
        )
    return embeddings


def read_bounds(path: Path) -> tuple[tuple[int, int], ...]:
    """`ep_start_end_ids.npy`: first and last frame of each recorded episode, sorted; at least one."""
    bounds = load_npy_pickle(path, SMALL)
    if not isinstance(bounds, np.ndarray) or bounds.dtype.kind not in "iu" or bounds.shape[1:] != (2,):
        raise DatasetError(f"{path} is not an array of integers with two columns.")
    if not len(bounds):
        raise DatasetError(f"{path} has no episode.")
    episodes = sorted((int(start), int(end)) for start, end in bounds.tolist())
    for start, end in episodes:
        if not 0 <= start <= end < _INT64_END:
            raise DatasetError(f"{path} has an episode from frame {start} to frame {end}.")
    return tuple(episodes)


def read_scenes(path: Path) -> tuple[SceneRange, ...]:
    """`scene_info.npy`: which frames were recorded in which scene; empty where the file does not exist."""
    if not is_there(path):
        return ()
    ranges = []
    for name, frames in _mapping(load_npy_pickle(path, SMALL), path, "content").items():
        scene = str(name).removeprefix(SCENE_PREFIX)
        if scene not in SCENES:
            raise DatasetError(
                f"{path} names the scene {_shown(name)}, not {SCENE_PREFIX}A to {SCENE_PREFIX}D."
            )
        ranges.append(SceneRange(scene, *_frame_range(frames, path, cut(str(name)))))
    return tuple(ranges)


def scene_of(frame: int, ranges: Sequence[SceneRange]) -> str:
    """The scene that `frame` was recorded in, or "unknown"."""
    found = {r.scene for r in ranges if r.start <= frame <= r.end}
    return found.pop() if len(found) == 1 else UNKNOWN_SCENE


def read_instructions(path: Path) -> dict[str, str]:
    """`embeddings.npy`: the evaluation instruction of each task; empty where the file does not exist."""
    if not is_there(path):
        return {}
    instructions = {}
    for task, entry in _mapping(load_npy_pickle(path), path, "content").items():
        about = cut(str(task))
        phrases = _sequence(_field(_mapping(entry, path, about), "ann", path), path, f"{about}.ann")
        if task not in TASKS or not len(phrases):
            raise DatasetError(
                f"{path}: {_shown(task)} is not one of CALVIN's 34 tasks with a list of instructions."
            )
        if (wrong := fault_of_instruction(phrases[0], _shown)) is not None:
            raise DatasetError(f"{path}: {about}.ann[0] {wrong}.")
        instructions[str(task)] = str(phrases[0])
    return instructions


def _mapping(value: Any, path: Path, field: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise DatasetError(f"{path}: {field} is a {type(value).__name__}, not a dict.")
    return value


def _field(mapping: Mapping[Any, Any], field: str, path: Path) -> Any:
    if field not in mapping:
        raise DatasetError(f"{path} has no field {shown(field)}.")
    return mapping[field]


def _sequence(value: Any, path: Path, field: str) -> Any:
    if not isinstance(value, (list, tuple, np.ndarray)) or (isinstance(value, np.ndarray) and not value.ndim):
        raise DatasetError(f"{path}: {field} is a {type(value).__name__}, not a list.")
    return value


def _frame_range(value: Any, path: Path, field: str) -> tuple[int, int]:
    pair = _sequence(value, path, field)
    # numpy would make anything else into an array first, however large that is.
    frames = np.asarray(pair) if len(pair) == 2 and all(map(_is_frame, pair)) else np.empty(0)
    if frames.shape != (2,) or frames.dtype.kind not in "iu":
        raise DatasetError(f"{path}: {field} is {_shown(value)}, not a first and a last frame.")
    start, end = map(int, frames)
    if not 0 <= start <= end <= LAST_FRAME:
        raise DatasetError(f"{path}: {field} runs from frame {start} to frame {end}.")
    return start, end


def _is_frame(value: Any) -> bool:
    return isinstance(value, int | np.integer) or (isinstance(value, np.ndarray) and not value.ndim)


def _rows(value: Any, path: Path, field: str) -> np.ndarray:
    """The array that a file has as one or as a list of rows."""
    if isinstance(value, np.ndarray):
        return value
    rows = _sequence(value, path, field)
    are_arrays = all(isinstance(row, np.ndarray) and row.dtype.kind == "f" for row in rows)
    try:
        return np.asarray(rows, dtype=None if are_arrays else np.float64)
    except (ValueError, TypeError):
        raise DatasetError(f"{path}: {field} is not made of rows of numbers.") from None


_MOST_SHOWN = 200


def _shown(value: Any) -> str:
    """What a message shows of a value out of a file, which may be as long as the file."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    return shown(value, _MOST_SHOWN)
