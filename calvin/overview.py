"""A split at a glance: demonstrations by task, scene and length, ranges of its numbers, and what is odd about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmark.tasks import TASKS, UNKNOWN_SCENE
from calvin.known_ranges import BEYOND, LONGEST, RANGES, SHORTEST
from calvin.scenes import BY_DATASET, Look, SceneTold, look_at, sampled, vote

if TYPE_CHECKING:
    from calvin.split import Demonstration, Split

_NAMED = 5


@dataclass(frozen=True)
class Lengths:
    """Frames of demonstrations."""

    shortest: int
    median: float
    longest: int


@dataclass(frozen=True)
class TaskRow:
    """scenes: demonstrations by scene."""

    task: str
    demonstrations: int
    scenes: Mapping[str, int]
    lengths: Lengths


@dataclass(frozen=True)
class Range:
    """Of one number of an array. low, high: CALVIN's own; None where they are not known."""

    array: str
    number: int
    name: str
    least: float
    most: float
    low: float | None
    high: float | None

    @property
    def is_odd(self) -> bool:
        if self.low is None or self.high is None:
            return False
        slack = BEYOND * (self.high - self.low)
        return self.least < self.low - slack or self.most > self.high + slack


@dataclass(frozen=True)
class Overview:
    """scenes: by scene, and by what told it, how many demonstrations. drawn_like: by renderer, how many of the frames
    that scenes are told by look as it draws CALVIN's. odd: a sentence each. wrong_scenes: that pictures show others
    than the dataset says, None where they do not.
    """

    tasks: tuple[TaskRow, ...]
    scenes: Mapping[str, Mapping[str, int]]
    lengths: Lengths | None
    drawn_like: Mapping[str, int]
    ranges: tuple[Range, ...]
    odd: tuple[str, ...]
    wrong_scenes: str | None = None

    def told_of_scenes(self, question: str) -> Iterator[str]:
        """A sentence each: what told them where the dataset does not say, and why some are unknown. question: what is
        to be done about those, the end of a sentence.
        """
        for scene, by in self.scenes.items():
            for what, count in by.items():
                if scene == UNKNOWN_SCENE:
                    yield f"the scene of {count} demonstrations is unknown, as {what}; {question}"
                elif what != BY_DATASET:
                    yield f"the scene of {count} demonstrations is {scene}: told by {what}"
        for renderer, count in self.drawn_like.items():
            yield f"{count} of the pictures that were looked at for their scene are as {renderer} draws CALVIN's"


class Survey:
    """Made while the frames of a split are read; `add` in any order."""

    def __init__(self, split: Split) -> None:
        self._split = split
        self._ends: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._looks: dict[int, list[Look]] = {one.index: [] for one in split.demonstrations}
        self._asked: dict[int, list[int]] = {}  # frame -> demonstrations whose scene it tells
        for one in split.demonstrations:
            for place in sampled(one.end - one.start + 1):
                self._asked.setdefault(one.start + place, []).append(one.index)

    def add(self, frame: int, arrays: Mapping[str, np.ndarray]) -> None:
        for name in RANGES:
            if name in arrays:
                values = arrays[name]
                least, most = self._ends.get(name, (values, values))
                self._ends[name] = (np.minimum(least, values), np.maximum(most, values))
        asking = self._asked.get(frame, ())
        if asking:
            look = look_at(arrays)
            for index in asking:
                self._looks[index].append(look)

    def overview(self) -> Overview:
        shown = self._split.demonstrations
        told = [self._told(one) for one in shown]
        scenes: dict[str, Counter[str]] = {}
        for one in told:
            scenes.setdefault(one.scene, Counter())[one.by] += 1
        ranges = tuple(self._ranges())
        return Overview(
            tasks=tuple(_rows(shown, told)),
            scenes={scene: dict(scenes[scene].most_common()) for scene in sorted(scenes)},
            lengths=_lengths(shown) if shown else None,
            drawn_like=self._drawn_like(),
            ranges=ranges,
            odd=tuple(_odd(shown, ranges)),
            wrong_scenes=self._wrong_scenes(),
        )

    def _drawn_like(self) -> dict[str, int]:
        found = Counter(look.renderer for looks in self._looks.values() for look in looks)
        return {renderer: count for renderer, count in sorted(found.items(), key=str) if renderer is not None}

    def _told(self, one: Demonstration) -> SceneTold:
        if one.scene != UNKNOWN_SCENE:
            return SceneTold(one.scene, BY_DATASET)
        return vote(self._looks[one.index])

    def _ranges(self) -> Iterator[Range]:
        for array, (least, most) in self._ends.items():
            for number, (name, low, high) in enumerate(RANGES[array]):
                yield Range(array, number, name, float(least[number]), float(most[number]), low, high)

    def _wrong_scenes(self) -> str | None:
        wrong: dict[tuple[str, str], list[Demonstration]] = {}
        for one in self._split.demonstrations:
            seen = vote(self._looks[one.index]).scene
            if UNKNOWN_SCENE not in (one.scene, seen) and seen != one.scene:
                wrong.setdefault((one.scene, seen), []).append(one)
        if not wrong:
            return None
        (said, seen), found = max(wrong.items(), key=lambda item: len(item[1]))
        total = sum(map(len, wrong.values()))
        others = f" ({total - len(found)} more contradict otherwise)" if total > len(found) else ""
        return (
            f"the scene of {len(found)} demonstrations is said to be {said}, and their pictures show {seen} (first: "
            f"frames {found[0].start}-{found[0].end}){others}"
        )


def _rows(shown: Sequence[Demonstration], told: Sequence[SceneTold]) -> Iterator[TaskRow]:
    """In CALVIN's order of tasks."""
    for task in TASKS:
        mine = [(one, scene) for one, scene in zip(shown, told) if one.task == task]
        if mine:
            scenes = Counter(scene.scene for _, scene in mine)
            yield TaskRow(task, len(mine), dict(sorted(scenes.items())), _lengths([one for one, _ in mine]))


def _lengths(shown: Sequence[Demonstration]) -> Lengths:
    found = [one.end - one.start + 1 for one in shown]
    return Lengths(min(found), float(np.median(found)), max(found))


def _odd(shown: Sequence[Demonstration], ranges: Sequence[Range]) -> Iterator[str]:
    absent = [task for task in TASKS if task not in {one.task for one in shown}]
    if absent and shown:
        more = ", ..." if len(absent) > _NAMED else ""
        yield f"{len(absent)} of {len(TASKS)} tasks have no demonstration: {', '.join(absent[:_NAMED])}{more}"
    for what, lengths in (
        (f"fewer than {SHORTEST}", [one for one in shown if one.end - one.start + 1 < SHORTEST]),
        (f"more than {LONGEST}", [one for one in shown if one.end - one.start + 1 > LONGEST]),
    ):
        if lengths:
            yield (
                f"{len(lengths)} demonstrations have {what} frames, which CALVIN's have not (first: frames "
                f"{lengths[0].start}-{lengths[0].end})"
            )
    for one in ranges:
        if one.is_odd:
            yield (
                f"{one.name} in {one.array} is {one.least:.4g} to {one.most:.4g}; CALVIN's is {one.low:.4g} to "
                f"{one.high:.4g}"
            )
