"""The small files of a split in CALVIN's layout, gathered while its episodes pass by."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.tasks import UNKNOWN_SCENE
from calvin.annotations import SCENE_PREFIX
from calvin.boxes import boxes_document
from calvin.episode import FRAME_SHAPES, OPTIONAL_FIELDS, Episode
from calvin.statistics import Whole, as_lists, need_statistics, of_numbers
from errors import InvalidInput
from settings.typed_json import Count, Flag, Items, from_json

EMBEDDING_WIDTH = 384  # of CALVIN's MiniLM sentence embeddings
#: What `statistics.yaml` tells of.
_DESCRIBED = ("robot_obs", "scene_obs", "actions")

#: What a summary needs of an episode, as JSON.
Facts = dict[str, Any]


def facts_of(episode: Episode) -> Facts:
    """Raises InvalidInput where it lacks an array that CALVIN's files have."""
    for field in OPTIONAL_FIELDS:
        if getattr(episode, field) is None:
            raise InvalidInput(f"{episode.name} has no {field}, which CALVIN's layout has of each frame.")
    boxes = None
    if episode.boxes is not None:
        pixels = episode.pixels or [None] * len(episode)
        boxes = [boxes_document(known, counts) for known, counts in zip(episode.boxes, pixels)]
    return {
        "start": episode.start,
        "end": episode.end,
        "scene": episode.scene,
        "task": episode.task,
        "instruction": episode.instruction,
        "name": episode.name,
        "has_pixels": episode.pixels is not None,
        "boxes": boxes,
        "statistics": {field: as_lists(of_numbers(getattr(episode, field))) for field in _DESCRIBED},
    }


@dataclass(frozen=True)
class _Kept:
    """What `facts_of` returns, but for the statistics."""

    start: Count
    end: Count
    scene: str
    task: str
    instruction: str
    name: str
    has_pixels: Flag
    boxes: Items[Mapping[str, object]] | None


def check_facts(facts: object) -> None:
    """Raises ValueError, or InvalidInput, for what `facts_of` never returns."""
    kept = from_json(_Kept, facts, "an episode")
    if kept.boxes is not None and len(kept.boxes) != kept.end - kept.start + 1:
        raise ValueError("the boxes are of other frames")
    assert isinstance(facts, dict)
    need_statistics(facts.get("statistics"), {field: FRAME_SHAPES[field] for field in _DESCRIBED})


class Summary:
    """shares_frames: whether episodes may; the same frame is the same then."""

    def __init__(self, shares_frames: bool = False) -> None:
        self._shares_frames = shares_frames
        self._about: list[Facts] = []
        self._sorted: list[tuple[int, int]] = []
        self._whole = {field: Whole() for field in _DESCRIBED}
        self._boxes: dict[int, Any] = {}

    def add(self, facts: Facts) -> None:
        """Raises InvalidInput where it does not fit to those before."""
        stretch = facts["start"], facts["end"]
        place = bisect_left(self._sorted, stretch)
        for start, end in () if self._shares_frames else self._sorted[max(place - 1, 0) : place + 1]:
            if stretch[0] <= end and start <= stretch[1]:
                raise InvalidInput(f"{facts['name']} shares frames with the episode {start}-{end}.")
        if self._about:
            first = self._about[0]
            for what in ("boxes", "pixels"):
                has, had = _has(facts, what), _has(first, what)
                if has != had:
                    raise InvalidInput(
                        f"{facts['name']}: either all episodes of a split have {what} or none has."
                    )
        self._sorted.insert(place, stretch)
        for field, statistics in facts["statistics"].items():
            self._whole[field].add(statistics)
        if facts["boxes"] is not None:
            self._boxes.update(zip(range(stretch[0], stretch[1] + 1), facts["boxes"]))
        self._about.append({name: value for name, value in facts.items() if name != "statistics"})

    @property
    def recorded(self) -> list[tuple[int, int]]:
        """First and last frame of each episode, sorted; of several that share frames, of all together."""
        found: list[tuple[int, int]] = []
        for start, end in self._sorted:
            if found and start <= found[-1][1]:
                found[-1] = found[-1][0], max(end, found[-1][1])
            else:
                found.append((start, end))
        return found

    def annotations(self) -> dict[str, dict[str, Any]]:
        """The content of `auto_lang_ann.npy`."""
        return {
            "language": {
                "ann": [facts["instruction"] for facts in self._about],
                "task": [facts["task"] for facts in self._about],
                "emb": no_embeddings(len(self._about)),
            },
            "info": {"episodes": [], "indx": [(facts["start"], facts["end"]) for facts in self._about]},
        }

    def write(self, folder: Path, digits: int) -> None:
        """All but the annotations. Raises InvalidInput where there is no episode, or a scene's are not consecutive."""
        if not self._about:
            raise InvalidInput(f"{folder}: there is no episode to write.")
        bounds = np.array(self.recorded, dtype=np.int64)
        np.save(folder / "ep_start_end_ids.npy", bounds)
        np.save(folder / "ep_lens.npy", bounds[:, 1] - bounds[:, 0] + 1)
        np.save(folder / "scene_info.npy", boxed(self._scene_info()), allow_pickle=True)
        (folder / "statistics.yaml").write_text(self._statistics(), encoding="utf-8")
        if self._boxes:
            content = {f"{frame:0{digits}d}": things for frame, things in sorted(self._boxes.items())}
            (folder / "boxes.json").write_text(json.dumps(content), encoding="utf-8")

    def _scene_info(self) -> dict[str, list[int]]:
        info: dict[str, list[int]] = {}
        previous = UNKNOWN_SCENE
        for start, end, scene in sorted(
            (facts["start"], facts["end"], facts["scene"]) for facts in self._about
        ):
            name = SCENE_PREFIX + scene
            if scene != previous and name in info:
                raise InvalidInput(
                    f"Frame {start} is in scene {scene} again; a scene's frames must be consecutive."
                )
            if scene != UNKNOWN_SCENE:
                first, last = info.get(name, [start, end])
                info[name] = [first, max(last, end)]
            previous = scene
        return info

    def _statistics(self) -> str:
        """`statistics.yaml` in CALVIN's form: mean and standard deviation of states, bounds of `actions`."""
        whole = {field: as_lists(of.statistics()) for field, of in self._whole.items()}
        lines = []
        for field in ("robot_obs", "scene_obs"):
            lines += [f"{field}:", "  - _target_: calvin_agent.utils.transforms.NormalizeVector"]
            lines += [f"    mean: {whole[field]['mean']}", f"    std: {whole[field]['std']}"]
        lines += [f"act_min_bound: {whole['actions']['min']}", f"act_max_bound: {whole['actions']['max']}"]
        return "\n".join(lines) + "\n"


def _has(facts: Facts, what: str) -> bool:
    return bool(facts["boxes"] is not None if what == "boxes" else facts["has_pixels"])


def no_embeddings(count: int) -> np.ndarray:
    """In the place of sentence embeddings, which the official files carry and nothing here uses."""
    return np.zeros((count, 1, EMBEDDING_WIDTH), dtype=np.float32)


def boxed(value: Any) -> np.ndarray:
    """As numpy saves a dict."""
    found = np.empty((), dtype=object)
    found[()] = value
    return found
