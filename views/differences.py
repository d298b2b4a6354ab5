"""In which settings an ablation differs from another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from settings.json_values import JsonObject
from settings.shown import cut

#: Settings that are named; how many more there are is told.
MOST_SETTINGS = 4
#: Characters of a value.
_MOST_OF_A_VALUE = 40

#: Characters of what rows are told with.
_MOST_OF_ROWS = 100
_ROWS = "arms"

#: The name is what people call an ablation, and is told anyway.
_BESIDES = ("name",)


@dataclass(frozen=True, slots=True)
class Differences:
    """`training.steps: 300 → 600` of some settings, in the order of their paths, and how many more differ."""

    settings: tuple[str, ...]
    more: int


def differences(before: JsonObject, after: JsonObject, most: int = MOST_SETTINGS) -> Differences:
    """The settings in which two ablations differ, by their paths; what only one of them has is `unset` in the other.

    Of rows that only one of them has, the names alone, as one setting: `arms: +mine -recon`.
    """
    rows = _rows(before), _rows(after)
    if all(rows):
        shared = rows[0].keys() & rows[1].keys()
        before, after = ({**config, _ROWS: {name: mine[name] for name in shared}}
                         for config, mine in zip((before, after), rows))  # fmt: skip
    one, other = dict(_flat(before)), dict(_flat(after))
    _whole_sections(one, other)
    _whole_sections(other, one)
    paths = [path for path in sorted(one.keys() | other.keys()) if one.get(path) != other.get(path)]
    told = [f"{cut('.'.join(path))}: {_shown(one.get(path))} → {_shown(other.get(path))}" for path in paths]
    if named := _named(*rows):
        told.insert(0, named)
    return Differences(tuple(told[:most]), len(told[most:]))


def sentence(settings: Sequence[str], more: int) -> str:
    """Both fields of `Differences` in one line."""
    if not settings:
        return "in nothing but its name"
    return "in " + ", ".join([*settings, *([f"and {more} more"] if more else [])])


def _rows(config: JsonObject) -> JsonObject:
    """By name, however they are written; without any where they are no rows."""
    rows = config.get(_ROWS)
    if isinstance(rows, Mapping):
        return rows
    return dict.fromkeys(map(str, rows)) if isinstance(rows, list | tuple) else {}


def _named(one: JsonObject, other: JsonObject) -> str | None:
    """Which rows only one of them has; None where both have the same."""
    if not (one and other) or list(one) == list(other):
        return None
    more = [f"+{name}" for name in other if name not in one]
    fewer = [f"-{name}" for name in one if name not in other]
    return f"{_ROWS}: {cut(' '.join([*more, *fewer]), _MOST_OF_ROWS) or 'in another order'}"


def _flat(values: JsonObject, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """(path, value as JSON) of all settings. A list is one value, and so is an empty object."""
    for name, value in values.items():
        here = (*path, name)
        if here == _BESIDES:
            continue
        if isinstance(value, Mapping) and value:
            yield from _flat(value, here)
        else:
            same = int(value) if isinstance(value, float) and value.is_integer() else value  # 10 is 10.0
            yield here, json.dumps(same, sort_keys=True, ensure_ascii=False)


def _whole_sections(off: dict[tuple[str, ...], str], on: dict[tuple[str, ...], str]) -> None:
    """A section that is off in one of them is one setting."""
    for path in [path for path, value in off.items() if value == "null" and path not in on]:
        inner = [other for other in on if other[: len(path)] == path]
        if inner:
            off[path] = "off"
            on[path] = ", ".join(f"{'.'.join(other[len(path) :])} {on.pop(other)}" for other in inner)


def _shown(value: str | None) -> str:
    return "unset" if value is None else cut(value, _MOST_OF_A_VALUE)
