"""`data.episodes`: which episodes of a set are used, by their numbers or by what they show, as a user says it."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.tasks import TASKS
from calvin.lerobot_format.episodes import Entry
from calvin.lerobot_format.held_out import NONE, RANGE, parsed_episodes
from calvin.lerobot_format.tasks import Told
from errors import WronglySaid
from settings.shown import shown

SETTING = "data.episodes"


def chosen_episodes(
    text: str | None, entries: Sequence[Entry], told: Sequence[Told | None]
) -> frozenset[int]:
    """Their numbers: `0-99,120` (or `0:100`), all of a task (`open_drawer`), or both; all where nothing is said.

    told: what each of `entries` shows. Raises WronglySaid for what is none of these, and for what the set does not
    have.
    """
    every = frozenset(entry.index for entry in entries)
    if text is None:
        return every
    found: set[int] = set()
    for part in text.split(","):
        name = part.strip()
        if name in TASKS:
            shows = {e.index for e, one in zip(entries, told) if one is not None and one.task == name}
            if not shows:
                raise WronglySaid(f"{SETTING}: no episode shows {name}.")
            found |= shows
        elif name == NONE or RANGE.fullmatch(part) is None:
            raise WronglySaid(
                f"{SETTING}: {shown(name)} is no number of an episode, no range (6-8, or 6:9) and no task of CALVIN's."
            )
        else:
            found |= parsed_episodes(part, every, SETTING)
    return frozenset(found)
