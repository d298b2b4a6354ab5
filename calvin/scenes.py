"""Which of CALVIN's scenes a demonstration shows, where its dataset does not say: by a vote of some of its pictures.

CALVIN's `scene_obs` name no scene. What they tell is how far the sliding door is open, and that rules scenes out: each
has a door of its own length (`base__slide` of the four calvin_table_*.urdf, at the scale of 0.8 that they are loaded
at).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.observations import SLIDE
from benchmark.tasks import SCENES, UNKNOWN_SCENE
from calvin.episode import Episode
from calvin.scene_pictures import sighting

#: Frames of a demonstration that are looked at.
SAMPLED = 5
#: Metres that the door slides in each scene, and by which a simulated one goes too far.
_SLIDES = {"A": 0.28, "B": 0.304, "C": 0.24, "D": 0.28}
_BEYOND = 0.01

BY_DATASET, BY_PICTURES, BY_SCENE_OBS = "the dataset", "its pictures", "scene_obs"


@dataclass(frozen=True)
class SceneTold:
    """scene: A to D, or `unknown`. by: one of BY_DATASET, BY_PICTURES, BY_SCENE_OBS; for an unknown one why it is, a
    part of a sentence.
    """

    scene: str
    by: str


def sampled(length: int) -> list[int]:
    """Places of the frames of a demonstration that are looked at, evenly spaced."""
    return sorted({round(place) for place in np.linspace(0, length - 1, min(SAMPLED, length))})


@dataclass(frozen=True)
class Look:
    """At one frame. scene, renderer: that its picture shows, None where that is none that is known. opened: metres that
    the door is open, 0 where nothing tells.
    """

    scene: str | None
    renderer: str | None
    opened: float


def look_at(frame: Mapping[str, np.ndarray]) -> Look:
    """frame: `rgb_static`, and `scene_obs` where there are any."""
    opened = float(frame["scene_obs"][SLIDE]) if "scene_obs" in frame else 0.0
    seen = sighting(frame["rgb_static"])
    return Look(seen.scene, seen.renderer, opened)


def scene_seen(frames: Sequence[Mapping[str, np.ndarray]]) -> SceneTold:
    """What some frames of one demonstration show; see `look_at` and `vote`."""
    return vote(list(map(look_at, frames)))


def vote(looks: Sequence[Look]) -> SceneTold:
    """It takes half of the frames, and that none shows another scene."""
    if not looks:
        return SceneTold(UNKNOWN_SCENE, "none of its pictures could be read")
    counts = Counter(one.scene for one in looks if one.scene is not None)
    opened = max(one.opened for one in looks)
    possible = [scene for scene in SCENES if opened <= _SLIDES[scene] + _BEYOND]
    if len(counts) > 1:
        told = " and ".join(f"{count} {scene}" for scene, count in sorted(counts.items()))
        return SceneTold(UNKNOWN_SCENE, f"its pictures show several scenes ({told})")
    scene = next(iter(counts), None)
    if scene is not None and counts[scene] * 2 >= len(looks):
        if scene not in possible:
            return SceneTold(
                UNKNOWN_SCENE,
                f"its pictures show {scene}, whose door slides {_SLIDES[scene]:g} m, and scene_obs has "
                f"{opened:.3g} m",
            )
        return SceneTold(scene, BY_PICTURES)
    if len(possible) == 1:
        return SceneTold(possible[0], BY_SCENE_OBS)
    if scene is not None:
        return SceneTold(UNKNOWN_SCENE, f"only {counts[scene]} of {len(looks)} pictures show {scene}")
    return SceneTold(UNKNOWN_SCENE, "its pictures are like none of CALVIN's scenes")


def scene_of_episode(episode: Episode) -> SceneTold:
    """As its dataset says, else as a few of its frames show."""
    if episode.scene != UNKNOWN_SCENE:
        return SceneTold(episode.scene, BY_DATASET)
    arrays = {"rgb_static": episode.rgb_static, "scene_obs": episode.scene_obs}
    given = {name: values for name, values in arrays.items() if values is not None}
    return scene_seen([{name: given[name][place] for name in given} for place in sampled(len(episode))])
