"""The training index: one item per frame, as JSON, in the spirit of ReconVLA's `training_r5.json`.

Beside what ReconVLA's scripts/helper/calvin_json.py records (id, image, crop, instruction, state, five
actions), an item says which gaze box the crop is, or why there is none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from benchmark.embodiment import CALVIN, CHUNK_STEPS
from benchmark.tasks import SCENES, TASKS, UNKNOWN_SCENE
from calvin.actions import padded_chunk
from calvin.episode import Episode
from calvin.instruction_text import fault_of_instruction
from errors import InvalidInput
from settings.shown import shown

if TYPE_CHECKING:
    from typing_extensions import NotRequired

_LARGEST_FLOAT = sys.float_info.max


@dataclass(frozen=True)
class Gaze:
    """Where the frame's target is in `rgb_static`: a box with its score, or the reason why there is none.

    `box` is x0, y0, x1, y1 in pixels, x1 and y1 exclusive. `source`: how the box was found. `weight`, 0..1:
    how much the region counts in the reconstruction loss.
    """

    detector: str
    box: tuple[int, int, int, int] | None
    score: float | None
    reason: str | None
    source: str | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if (self.box is None) != (self.score is None) or (self.box is None) == (self.reason is None):
            raise InvalidInput("A gaze has either a box and a score or the reason why it has none.")


class GazeEntry(TypedDict):
    """`Gaze` as an item holds it. weight: not in indexes of earlier versions."""

    detector: str
    box: list[int] | None
    score: float | None
    reason: str | None
    source: str | None
    weight: NotRequired[float]


class IndexItem(TypedDict):
    """One frame; see `build_items`.

    image_source, crop_source: the tensors of artifacts that the pictures are (`file#tensor[row]`), None for a crop that
    there is none of. true_box: where the simulator says that the target is, None where it is hidden; not there where
    nobody knows.
    """

    id: str
    demonstration: int
    frame: int
    image: str
    crop: str | None
    instruction: str
    task: str
    scene: str
    robot_obs: list[float]
    actions: list[list[float]]
    gaze: GazeEntry
    image_source: NotRequired[str]
    crop_source: NotRequired[str | None]
    true_box: NotRequired[list[float] | None]


def build_items(
    episode: Episode, gaze: Sequence[Gaze], number: int, repeat_motion: bool = False
) -> list[IndexItem]:
    """The index items of `episode`, the demonstration with this `number`; `gaze` has one entry per frame.

    `id` counts frames from the start of the demonstration; `frame` is CALVIN's frame id. `image` and `crop`
    are the names, relative to the index, that the original pipeline's layout gives to the pictures; `crop` is
    null where there is no gaze box. `actions` (5, 7) are the relative actions of this and the next 4 frames,
    `padded_chunk` of them where the demonstration ends sooner.
    """
    if len(gaze) != len(episode):
        raise InvalidInput(f"{episode.name}: gaze is given for {len(gaze)} of {len(episode)} frames.")
    items: list[IndexItem] = []
    for offset, frame_gaze in enumerate(gaze):
        name = f"task_{number}_frame_{offset}"
        items.append(
            {
                "id": name,
                "demonstration": number,
                "frame": episode.start + offset,
                "image": f"{episode.split}/{name}.jpg",
                "crop": None if frame_gaze.box is None else f"{episode.split}/crop/{name}.jpg",
                "instruction": episode.instruction,
                "task": episode.task,
                "scene": episode.scene,
                "robot_obs": episode.robot_obs[offset].tolist(),
                "actions": padded_chunk(episode.rel_actions, offset, CHUNK_STEPS, repeat_motion).tolist(),
                "gaze": {
                    "detector": frame_gaze.detector,
                    "box": None if frame_gaze.box is None else list(frame_gaze.box),
                    "score": frame_gaze.score,
                    "reason": frame_gaze.reason,
                    "source": frame_gaze.source,
                    "weight": frame_gaze.weight,
                },
            }
        )
    return items


def write_index(items: Iterable[IndexItem], path: Path) -> int:
    """Write `items` as one JSON list, an item a line, and return how many there were.

    Items may come from a generator. The same items give the same bytes. Raises InvalidInput naming the item
    and the field at fault, or when there is no item; the file is then not complete.
    """
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for item in items:
            _check_item(item, count)
            file.write("[\n" if count == 0 else ",\n")
            file.write(json.dumps(item, ensure_ascii=False, allow_nan=False))
            count += 1
        if count == 0:
            raise InvalidInput(f"{path}: a training index needs at least one item.")
        file.write("\n]\n")
    return count


def _check_item(item: object, position: int) -> None:
    if not isinstance(item, dict):
        raise InvalidInput(f"Item {position} is a {type(item).__name__}, not an object.")
    checks = {
        "id": lambda value: isinstance(value, str) and value != "",
        "demonstration": _is_count,
        "frame": _is_count,
        "image": lambda value: isinstance(value, str) and value != "",
        "crop": lambda value: value is None or (isinstance(value, str) and value != ""),
        "instruction": lambda value: fault_of_instruction(value) is None,
        "task": lambda value: value in TASKS,
        "scene": lambda value: value in (*SCENES, UNKNOWN_SCENE),
        "robot_obs": lambda value: _is_vector(value, CALVIN.robot_obs_size),
        "actions": lambda value: (
            isinstance(value, list)
            and len(value) == CHUNK_STEPS
            and all(_is_vector(step, CALVIN.action_size) for step in value)
        ),
        "gaze": lambda value: _is_gaze(value) and (value["box"] is None) == (item["crop"] is None),
    }
    for field, is_good in checks.items():
        if field not in item:
            raise InvalidInput(f"Item {position} ({shown(item.get('id'))}) has no {shown(field)}.")
        if not is_good(item[field]):
            raise InvalidInput(
                f"Item {position} ({shown(item['id'])}) has an unusable {shown(field)}: {shown(item[field])}."
            )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: object) -> bool:
    """False also for whole numbers that no float is near."""
    return isinstance(value, (int, float)) and type(value) is not bool and abs(value) <= _LARGEST_FLOAT


def _is_vector(value: object, size: int) -> bool:
    return isinstance(value, list) and len(value) == size and all(map(_is_number, value))


def _is_gaze(value: object) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("detector"), str):
        return False
    if not _is_number(value.get("weight", 1.0)) or not 0 <= value.get("weight", 1.0) <= 1:
        return False
    if value.get("box") is None:
        return value.get("score") is None and isinstance(value.get("reason"), str)
    return _is_vector(value["box"], 4) and _is_number(value.get("score")) and value.get("reason") is None
