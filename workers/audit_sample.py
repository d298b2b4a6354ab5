"""Which stored work an audit does again, and how much of the rest that speaks for."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import comb
from typing import Protocol, TypeVar

#: That a claim about what was not done again is wrong.
_ERROR = 0.05


class Sampled(Protocol):
    """A piece of work. stratum: the kind of work that it stands for. is_slice: of a training, counted apart."""

    @property
    def stratum(self) -> str: ...
    @property
    def is_slice(self) -> bool: ...


U = TypeVar("U", bound=Sampled)


@dataclass(frozen=True)
class Stratum:
    """Work of one kind: how much was done again, of how much; and how many came out equal."""

    kind: str
    checked: int
    of: int
    equal: int

    @property
    def bad_at_most(self) -> int | None:
        """How many of all could still come out otherwise, with 95 % confidence; None where one did or none was done."""
        if not self.checked or self.equal < self.checked:
            return None
        return most_bad(self.checked, self.of)

    @property
    def sentence(self) -> str:
        told = f"{self.kind}: {self.checked:,} of {self.of:,} done again"
        if self.bad_at_most is None:
            return told if not self.checked else f"{told}, {self.equal:,} equal"
        if self.checked == self.of:
            return f"{told}, all equal"
        return f"{told}, all equal: with 95 % confidence at most {self.bad_at_most:,} of them differ"


def sample(units: Sequence[U], slices: int | None, others: int | None, seed: int) -> list[U]:
    """So many slices of training, and so many of the other jobs, in their order; None means all.

    The other jobs are drawn by turns from every kind, so that none is left out for being rare.
    """
    chance = random.Random(seed)
    chosen: list[int] = []
    for sliced, count in ((True, slices), (False, others)):
        these = [place for place, unit in enumerate(units) if unit.is_slice == sliced]
        chosen += these if count is None else _by_turns(units, these, count, chance)
    return [units[place] for place in sorted(chosen)]


def strata(units: Sequence[Sampled], chosen: Sequence[Sampled], equal: Collection[int]) -> list[Stratum]:
    """By kind, in the order of the units. equal: places in `chosen` of what came out equal."""
    every, done = Counter(unit.stratum for unit in units), Counter(unit.stratum for unit in chosen)
    same = Counter(chosen[place].stratum for place in equal)
    return [Stratum(kind, done[kind], of, same[kind]) for kind, of in every.items()]


def most_bad(checked: int, of: int) -> int:
    """The most of `of` that can be bad where `checked` drawn at random were all good, with 95 % confidence."""
    low, high = 0, of - checked
    ways = comb(of, checked)
    while low < high:
        middle = (low + high + 1) // 2
        if comb(of - middle, checked) >= _ERROR * ways:
            low = middle
        else:
            high = middle - 1
    return low


def _by_turns(units: Sequence[U], places: Sequence[int], count: int, chance: random.Random) -> list[int]:
    by_kind: dict[str, list[int]] = {}
    for place in places:
        by_kind.setdefault(units[place].stratum, []).append(place)
    for group in by_kind.values():
        chance.shuffle(group)
    groups = list(by_kind.values())
    chance.shuffle(groups)
    chosen: list[int] = []
    while len(chosen) < min(count, len(places)):
        for group in groups:
            if group and len(chosen) < count:
                chosen.append(group.pop())
    return chosen
