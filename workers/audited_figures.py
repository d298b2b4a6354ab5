"""Figures that a job left in the database against those that come out when its work is done again."""

from __future__ import annotations

import json
from collections.abc import Sequence

from errors import InvalidInput
from settings.json_values import JsonObject
from settings.shown import cut
from tasks.kind import FORMAT
from tasks.registry import AnyKind

Point = tuple[str, int, float]

#: Differences that are told of one unit.
_TOLD = 3


def different_figures(
    kind: AnyKind,
    result: JsonObject | None,
    again: JsonObject | None,
    points: Sequence[Point],
    points_again: Sequence[Point],
    exact: bool,
) -> list[str]:
    """Sentences on what differs, the first few; empty where all is equal.

    result, points: as stored; None for a job that has not ended. exact: False where what is stored may lack figures
    that later versions of the same body measure.
    """
    found = []
    if result is not None:
        left_out = {FORMAT, *_of_the_way(kind, result)}
        kept = {name: value for name, value in result.items() if name not in left_out}
        anew = {name: value for name, value in (again or {}).items() if name not in left_out}
        found += _differences("result", kept, json.loads(json.dumps(anew)), exact)
    stored, measured = ({(name, step): value for name, step, value in of} for of in (points, points_again))
    for key in sorted(stored.keys() | measured.keys() if exact else stored.keys()):
        if stored.get(key) != measured.get(key):
            place = f"{key[0]} at step {key[1]}"
            found.append(
                f"{place} is stored as {_told(stored.get(key))} and comes out as {_told(measured.get(key))}"
            )
    return found if len(found) <= _TOLD else [*found[:_TOLD], f"and {len(found) - _TOLD} figures more"]


def _of_the_way(kind: AnyKind, result: JsonObject) -> frozenset[str]:
    try:
        return kind.result_of(result).of_the_way()
    except InvalidInput:  # somebody changed it, which the comparison shows
        return frozenset()


def _differences(place: str, stored: object, anew: object, exact: bool) -> list[str]:
    if isinstance(stored, dict) and isinstance(anew, dict):
        names = stored.keys() | anew.keys() if exact else stored.keys()
        return [
            sentence
            for name in sorted(names)
            for sentence in _differences(f"{place}.{name}", stored.get(name), anew.get(name), exact)
        ]
    if isinstance(stored, list) and isinstance(anew, list) and len(stored) == len(anew):
        return [
            sentence
            for number, pair in enumerate(zip(stored, anew, strict=True))
            for sentence in _differences(f"{place}[{number}]", *pair, exact)
        ]
    if stored == anew or (stored != stored and anew != anew):  # NaN is equal to nothing
        return []
    return [f"{place} is stored as {_told(stored)} and comes out as {_told(anew)}"]


def _told(value: object) -> str:
    return cut(json.dumps(value), 60)
