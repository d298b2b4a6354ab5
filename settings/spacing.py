"""Some of many, spread evenly: which rows are measured, which examples are shown."""

from __future__ import annotations


def evenly_spaced(count: int, most: int, *, rounded_down: bool = False) -> list[int]:
    """At most `most` of `count` places, ascending: the first, the last where there are two, and between them the
    nearest to equal distances, an even one where two are as near. rounded_down: never one behind.
    """
    chosen = min(count, most)
    if chosen < 2:
        return list(range(chosen))
    if rounded_down:
        return [place * (count - 1) // (chosen - 1) for place in range(chosen)]
    step = (count - 1) / (chosen - 1)
    return [*(round(place * step) for place in range(chosen - 1)), count - 1]
