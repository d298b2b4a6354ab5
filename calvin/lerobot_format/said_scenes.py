"""`data.scenes`: which scenes the episodes of a set show, as a user says it."""

from __future__ import annotations

from benchmark.tasks import SCENES
from calvin.lerobot_format.held_out import parsed_episodes
from errors import WronglySaid
from settings.shown import shown

_SETTING = "data.scenes"


def parsed_scenes(text: str | None, every: frozenset[int]) -> dict[int, str]:
    """Scene by number of episode, for those that are named: `D` is all of `every`, `A=0-5;B=6-8,12` by episodes.

    Raises WronglySaid for what is neither, an episode that the set does not have, and one in two scenes.
    """
    if text is None:
        return {}
    if text.strip() in SCENES:
        return dict.fromkeys(every, text.strip())
    found: dict[int, str] = {}
    for part in text.split(";"):
        scene, separator, episodes = (piece.strip() for piece in part.partition("="))
        if scene not in SCENES or not separator or not episodes:
            raise WronglySaid(
                f"{_SETTING}: {shown(part)} is no scene ({', '.join(SCENES)}) and no scene with its episodes (A=0-5)."
            )
        for number in parsed_episodes(episodes, every, _SETTING):
            if found.setdefault(number, scene) != scene:
                raise WronglySaid(
                    f"{_SETTING}: episode {number} is said to show {found[number]} and {scene}."
                )
    return found
