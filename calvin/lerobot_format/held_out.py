"""Which episodes of a LeRobot set are the validation's, so that nothing is trained on what it is judged on.

The public conversions of CALVIN hold its validation demonstrations at their end, in one part that they call `train`.
What tells, in this order: a user; what the set says itself; a known number of episodes; CALVIN's own validation
phrases, which no training demonstration has; and, beside all of these, equal states in a validation set that a user
names. Where nothing does, or two of them contradict, it is asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from calvin.lerobot_format.description import Description
from calvin.lerobot_format.episodes import Entry
from calvin.lerobot_format.tasks import Told
from calvin.split import TRAINING, VALIDATION
from errors import WronglySaid
from settings.shown import cut, shown

#: Number of episodes of a public conversion of CALVIN -> its download, and how many are of its training, which come
#: first.
KNOWN = {18_957: ("ABC_D", 17_870), 6_135: ("D_D", 5_124), 24_053: ("ABCD_D", 22_966)}

NONE = "none"
_HELD_OUT = frozenset({"validation", "valid", "val", "test", "eval", "evaluation", "held_out"})
RANGE = re.compile(r"\s*([0-9]{1,9})\s*(?:([-:])\s*([0-9]{1,9}))?\s*")
#: Numbers that float32 does not tell apart are equal: poses reach pi.
_SAME_STATE = 5e-6
#: Frames of a validation demonstration that are looked for, and how many of them make a demonstration the same one: the
#: first may be a state of rest that many begin at.
SAMPLED, _ENOUGH = 8, 2


@dataclass(frozen=True)
class Parts:
    """Numbers of episodes. basis: what tells, a part of a sentence; None where nothing does, and `question` says why,
    the end of a sentence.
    """

    training: frozenset[int]
    validation: frozenset[int]
    basis: str | None
    question: str = ""


def parted(
    about: Description, entries: Sequence[Entry], told: Sequence[Told | None], said: str | None
) -> Parts:
    """told: what each of `entries` shows. said: `data.validation_episodes`. Raises WronglySaid for what is said and
    cannot be.
    """
    every = frozenset(entry.index for entry in entries)
    if said is not None:
        chosen = parsed_episodes(said, every)
        return Parts(every - chosen, chosen, f"data.validation_episodes is {cut(said)}")
    by_phrase = frozenset(
        entry.index for entry, one in zip(entries, told) if one is not None and one.list == VALIDATION
    )
    trained = {e.index for e, one in zip(entries, told) if one is not None and one.list == TRAINING}
    by_count = _known(about, entries)
    if by_count is not None and by_count.validation & trained:  # another set of as many
        by_count = None
    for found in (_said_by_set(about, entries, by_phrase), by_count):
        if found is None:
            continue
        leaked = sorted(by_phrase & found.training)
        if leaked:
            return _asked(
                every,
                by_phrase,
                f"{found.basis}, but episode {leaked[0]} has an instruction of CALVIN's validation",
            )
        return found
    return _by_phrases(entries, told, by_phrase)


def _asked(every: frozenset[int], by_phrase: frozenset[int], question: str) -> Parts:
    """Nothing tells. What has an instruction of CALVIN's validation is trained on in no case."""
    return Parts(every - by_phrase, by_phrase, None, question)


def parsed_episodes(
    text: str, every: frozenset[int], setting: str = "data.validation_episodes"
) -> frozenset[int]:
    """`none`, or numbers and ranges: 6-8 with both ends, or 6:9 as Python has it. Raises WronglySaid naming the
    setting.
    """
    if text.strip().lower() == NONE:
        return frozenset()
    found: set[int] = set()
    for part in text.split(","):
        match = RANGE.fullmatch(part)
        if match is None:
            raise WronglySaid(
                f"{setting}: {shown(part)} is no number of an episode and no range (6-8, or 6:9)."
            )
        first = int(match[1])
        last = first if match[2] is None else int(match[3]) - (match[2] == ":")
        if not first <= last or not {first, last} <= every:
            raise WronglySaid(
                f"{setting}: {shown(part.strip())} are no episodes of the set, which has "
                f"{min(every)} to {max(every)}."
            )
        found.update(range(first, last + 1))
    missing = sorted(found - every)
    if missing:
        raise WronglySaid(f"{setting}: there is no episode {missing[0]}.")
    return frozenset(found)


def as_text(episodes: frozenset[int]) -> str:
    """What `parsed_episodes` reads."""
    numbers = sorted(episodes)
    if not numbers:
        return NONE
    runs, first = [], numbers[0]
    for number, following in zip(numbers, [*numbers[1:], -1]):
        if following != number + 1:
            runs.append(f"{first}-{number}" if number > first else str(first))
            first = following
    return ",".join(runs)


def equal_episodes(entries: Sequence[Entry], states: np.ndarray, sampled: np.ndarray) -> frozenset[int]:
    """Numbers of the episodes that are demonstrations of a validation set.

    states: (N, 15), of `entries` one after the other; sampled: (M, 15), `SAMPLED` frames of each of that set's.
    """
    from scipy.spatial import cKDTree  # on use: planning other data needs none of it

    distinct = np.unique(sampled.astype(np.float32).astype(np.float64), axis=0)
    if not len(distinct):
        return frozenset()
    distance, place = cKDTree(distinct).query(states, distance_upper_bound=_SAME_STATE)
    found = set()
    for entry in entries:
        frames = slice(entry.start, entry.start + entry.length)
        hit = np.unique(place[frames][np.isfinite(distance[frames])])
        if len(hit) >= min(_ENOUGH, entry.length):
            found.add(entry.index)
    return frozenset(found)


def sampled_frames(length: int) -> list[int]:
    """Places of the frames of a demonstration that are looked for, evenly spaced."""
    return sorted({round(place) for place in np.linspace(0, length - 1, min(SAMPLED, length))})


def _said_by_set(about: Description, entries: Sequence[Entry], by_phrase: frozenset[int]) -> Parts | None:
    """What `splits` of meta/info.json, or the entries of the episodes, say; None where that is one part."""
    every = frozenset(entry.index for entry in entries)
    marked = frozenset(e.index for e in entries if e.split is not None and e.split.lower() in _HELD_OUT)
    if marked and marked != every:
        return Parts(every - marked, marked, "the list of episodes says which are of the validation")
    if all(
        e.split is not None and e.first_frame is not None for e in entries
    ):  # Baton wrote it: one split alone
        which = "validation" if marked else "training"
        return Parts(every - marked, marked, f"the list of episodes says that all are of the {which}")
    ranges: dict[str, frozenset[int]] = {}
    for name, text in about.splits.items():
        part = _numbers_of(text, max(every) + 1)
        if part is None:
            return _asked(
                every, by_phrase, f"splits.{cut(name)} of meta/info.json is {cut(text)}, no range (0:6)"
            )
        ranges[name] = part
    held_out = frozenset().union(*(part for name, part in ranges.items() if name.lower() in _HELD_OUT))
    held_out &= every
    if not held_out:
        return None
    trained = frozenset().union(*(part for name, part in ranges.items() if name.lower() not in _HELD_OUT))
    if trained & held_out:
        return _asked(every, frozenset(), "splits of meta/info.json has episodes in two parts")
    return Parts(every & trained, held_out, "splits of meta/info.json says so")


def _numbers_of(text: str, count: int) -> frozenset[int] | None:
    """Numbers below `count` of a part: ranges and numbers (0:6,8); None where it is told in another way."""
    found: set[int] = set()
    for part in text.split(","):
        match = RANGE.fullmatch(part)
        if match is None or match[2] == "-":
            return None
        first = int(match[1])
        last = first + 1 if match[2] is None else int(match[3])
        found.update(range(first, min(last, count)))
    return frozenset(found)


def _known(about: Description, entries: Sequence[Entry]) -> Parts | None:
    if len(entries) not in KNOWN or any(entry.index != place for place, entry in enumerate(entries)):
        return None
    download, trained = KNOWN[len(entries)]
    every = range(len(entries))
    return Parts(
        frozenset(every[:trained]),
        frozenset(every[trained:]),
        f"{len(entries)} episodes are those of {download}: {trained} of the training and then those of the validation",
    )


def _by_phrases(entries: Sequence[Entry], told: Sequence[Told | None], validation: frozenset[int]) -> Parts:
    """By CALVIN's two lists of phrases, where each instruction is in one of them and those of the validation stand
    together."""
    every = frozenset(entry.index for entry in entries)
    other = [entry.index for entry, one in zip(entries, told) if one is not None and one.list is None]
    if not validation:
        return _asked(every, validation, "its instructions are none of CALVIN's validation")
    if other:
        return _asked(
            every,
            validation,
            f"{len(validation)} instructions are of CALVIN's validation, and {len(other)} of neither list (first: "
            f"episode {other[0]})",
        )
    order = [entry.index in validation for entry in entries]
    if sum(now != before for before, now in pairwise(order)) > 1:
        return _asked(every, validation, "instructions of CALVIN's validation stand among others")
    return Parts(
        every - validation, validation, f"the instructions of {len(validation)} are of CALVIN's validation"
    )
