"""Which of CALVIN's scenes a demonstration shows, where its dataset does not say: by a vote of some of its pictures.

CALVIN's `scene_obs` name no scene. What they tell is how far the sliding door is open, and that rules scenes out: each
has a door of its own length (`base__slide` of the four calvin_table_*.urdf, at the scale of 0.8 that they are loaded
at).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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


def scene_seen(frames: Sequence[Mapping[str, np.ndarray]]) -> SceneTold:
    """What some frames of one demonstration show. frames: `rgb_static` of each, and `scene_obs` where there are any.

    It takes half of them, and that none shows another scene.
    """
    seen = [sighting(frame["rgb_static"]) for frame in frames]
    counts = Counter(one.scene for one in seen if one.scene is not None)
    states = [frame["scene_obs"] for frame in frames if "scene_obs" in frame]
    possible = _possible(states)
    if len(counts) > 1:
        told = " and ".join(f"{count} {scene}" for scene, count in sorted(counts.items()))
        return SceneTold(UNKNOWN_SCENE, f"its pictures show several scenes ({told})")
    scene = next(iter(counts), None)
    if scene is not None and counts[scene] * 2 >= len(frames):
        if scene not in possible:
            return SceneTold(
                UNKNOWN_SCENE,
                f"its pictures show {scene}, whose door slides {_SLIDES[scene]:g} m, and scene_obs has "
                f"{_opened(states):.3g} m",
            )
        return SceneTold(scene, BY_PICTURES)
    if len(possible) == 1:
        return SceneTold(possible[0], BY_SCENE_OBS)
    if scene is not None:
        return SceneTold(UNKNOWN_SCENE, f"only {counts[scene]} of {len(frames)} pictures show {scene}")
    return SceneTold(UNKNOWN_SCENE, "its pictures are like none of CALVIN's scenes")


def scene_of_episode(episode: Episode) -> SceneTold:
    """As its dataset says, else as a few of its frames show."""
    if episode.scene != UNKNOWN_SCENE:
        return SceneTold(episode.scene, BY_DATASET)
    arrays = {"rgb_static": episode.rgb_static, "scene_obs": episode.scene_obs}
    given = {name: values for name, values in arrays.items() if values is not None}
    return scene_seen([{name: given[name][place] for name in given} for place in sampled(len(episode))])


def with_scene_seen(episode: Episode) -> Episode:
    """The same, with the scene that its pictures show where its dataset does not say."""
    told = scene_of_episode(episode)
    return episode if told.scene == episode.scene else replace(episode, scene=told.scene)


def _possible(states: Sequence[np.ndarray]) -> list[str]:
    opened = _opened(states)
    return [scene for scene in SCENES if opened <= _SLIDES[scene] + _BEYOND]


def _opened(states: Sequence[np.ndarray]) -> float:
    """Metres that the door was open at most."""
    return max((float(state[SLIDE]) for state in states), default=0.0)
