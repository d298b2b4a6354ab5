"""Frames of a dataset drawn anew: the best evidence of what drew them, and of whose scenes they show.

In scene D of calvin_env a frame drawn by `tiny` and the same one drawn with EGL are 20 grey levels apart; `tiny` again
gives it to 0.01.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmark.cameras import EGL, TINY
from benchmark.tasks import UNKNOWN_SCENE
from calvin.scenes import scene_seen
from calvin.split import BATON, CALVIN, Recording, Split
from errors import InvalidInput, SimulatorError, SimulatorMissing
from simulators.base import Simulator
from simulators.registry import create, create_apart

#: Mean difference of static pictures, in grey levels of 0 to 255, up to which one is the other drawn again. Drivers
#: of graphics cards differ among themselves, the software renderer does not.
_SAME = {TINY: 2.0, EGL: 5.0}
_FRAMES = 3

#: (scene, renderer) -> a simulator that the caller of it closes. Raises BatonError.
Make = Callable[[str, str], Simulator]


@dataclass(frozen=True)
class _Sample:
    """A recorded frame's arrays, and the scene that it was recorded in."""

    scene: str
    frame: Mapping[str, NDArray[np.float64]]


def maker(simulator: str, assets: str | None, python: str | None) -> Make:
    """Simulators as an evaluation makes them: name, clone of calvin_env, interpreter of the official one."""
    options = {"assets": assets, "python": python}

    def make(scene: str, renderer: str) -> Simulator:
        apart = renderer == EGL and simulator != "calvin"
        known = {name: value for name, value in options.items() if value is not None}
        return (create_apart if apart else create)(simulator, scene, renderer=renderer, **known)

    return make


def looked_at(split: Split, make: Make | None) -> Recording:
    """What drew the pictures of `split`, by drawing a few of its frames anew where `make` can.

    None: no simulator of the scenes that they show. Without any, and where no picture comes out the same, it is what
    the split itself tells. Raises DatasetError for a frame that cannot be read.
    """
    told = split.recording()
    if told.scenes == BATON:
        make = maker("playtable", None, None)
    samples = _samples(split)
    if make is None or not samples:
        return told
    apart: dict[str, list[float]] = {TINY: _differences(samples, make, TINY), EGL: []}
    if told.renderer is None and not _same(apart, TINY):
        apart[EGL] = _differences(samples, make, EGL)
    return _judged(told, apart, len(samples))


def _judged(told: Recording, apart: dict[str, list[float]], count: int) -> Recording:
    """apart: by renderer how far each picture lies from the recorded one; empty where it cannot draw."""
    matching = {name: sum(value <= _SAME[name] for value in apart[name]) for name in apart}
    scenes = told.scenes or CALVIN
    for name, same in matching.items():
        if same == count:
            farthest = max(apart[name])
            basis = f"{_frames(count)} drawn anew by {name} come out the same, {farthest:.2g} grey levels apart at most"
            if told.renderer not in (None, name):
                basis += f"; yet {told.basis}"
            return Recording(name, basis, scenes, told.losses)
    drawn = {name: values for name, values in apart.items() if values}
    if any(matching.values()):
        alike = ", ".join(f"{matching[name]} of {count} by {name}" for name in drawn)
        return Recording(
            None, f"drawn anew, not all frames come out the same: {alike}", told.scenes, told.losses
        )
    if told.renderer is not None or not drawn:
        return told
    far = " and ".join(f"{float(np.median(values)):.2g} by {name}" for name, values in drawn.items())
    return replace(
        told,
        basis=f"{told.basis}; drawn anew in this scene, frames are {far} grey levels apart from the recorded ones",
    )


def _same(apart: dict[str, list[float]], name: str) -> bool:
    return bool(apart[name]) and all(value <= _SAME[name] for value in apart[name])


def _samples(split: Split) -> list[_Sample]:
    """First frames of the first, a middle and the last demonstration whose scene is known, where their states are.

    Where the dataset says none, those of all whose pictures show one.
    """
    known = [d for d in split.demonstrations if d.scene != UNKNOWN_SCENE] or list(split.demonstrations)
    chosen = {round(place * (len(known) - 1) / (_FRAMES - 1)) for place in range(_FRAMES)} if known else set()
    samples = []
    for number in sorted(chosen):
        frame = split.read_frame(known[number].start)
        if "scene_obs" not in frame:
            continue
        scene = known[number].scene
        samples.append(_Sample(scene if scene != UNKNOWN_SCENE else scene_seen([frame]).scene, frame))
    return [sample for sample in samples if sample.scene != UNKNOWN_SCENE]


def _differences(samples: list[_Sample], make: Make, renderer: str) -> list[float]:
    """One for each sample, or none where this renderer cannot draw them all."""
    with suppress(SimulatorError, SimulatorMissing, InvalidInput):
        return list(_drawn(samples, make, renderer))
    return []


def _drawn(samples: list[_Sample], make: Make, renderer: str) -> Iterator[float]:
    simulators: dict[str, Simulator] = {}
    try:
        for sample in samples:
            if sample.scene not in simulators:
                simulators[sample.scene] = make(sample.scene, renderer)
            simulator = simulators[sample.scene]
            simulator.reset(sample.frame["robot_obs"], sample.frame["scene_obs"])
            picture = simulator.observe(("static",))["rgb_static"]
            recorded = sample.frame["rgb_static"]
            yield float(np.abs(picture.astype(np.int16) - recorded.astype(np.int16)).mean())
    finally:
        for simulator in simulators.values():
            simulator.close()


def _frames(count: int) -> str:
    return "a frame" if count == 1 else f"{count} frames"
