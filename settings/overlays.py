"""Laying one part of a configuration over another: preset, file, `--set`, options."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from errors import ConfigError
from settings.documents import parse_yaml
from settings.shown import cut, shown

#: Of the dotted key of a `--set`.
_LONGEST_KEY = 200
#: Of `#` in one value that are looked at.
_MOST_MARKS = 100

#: See `settings.documents.parse_yaml`.
IsText = Callable[[str, bool], bool]


def merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Lay `values` over `into`, mapping by mapping. `into` never shares a mapping with `values`, nor two of its places
    one: an alias in YAML is the same value in both, not one thing.
    """
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = _own(value)


def override_of(text: str, is_text: IsText | None = None) -> tuple[str, Any]:
    """(dotted key, value) of a `--set key.path=value`. is_text: of dotted keys. Raises ConfigError."""
    key, separator, value = text.partition("=")
    if len(key) > _LONGEST_KEY:
        raise ConfigError(f"--set {cut(key)} names no value: its key has {len(key)} characters")
    if not separator or not key:
        raise ConfigError(f"--set {shown(text)} is not of the form key.path=value")
    if not value.strip():  # what a shell makes of an unset variable
        raise ConfigError(f"--set {key} gives no value; null is for none")
    return key, value_of(value, f"--set {key}", is_text=is_text and is_text_below(key, is_text))


def is_text_below(key: str, is_text: IsText) -> IsText:
    """The same of what stands within the value of a dotted key."""
    return partial(_is_text_below, key, is_text)


def _is_text_below(key: str, is_text: IsText, path: str, is_key: bool) -> bool:
    return is_text(f"{key}{'' if not path or path.startswith('[') else '.'}{path}", is_key)


def value_of(text: str, place: str, form: str = "{}", is_text: IsText | None = None) -> Any:
    """What the YAML of an option says, in the place that `form` has for it. Raises ConfigError, also for a comment,
    which on a command line is a part of the value that somebody meant.
    """
    found = _parsed(form.format(text), place, is_text)
    for number in [number for number, letter in enumerate(text) if letter == "#"][:_MOST_MARKS]:
        try:
            before = _parsed(form.format(text[:number]), place, is_text)
        except ConfigError:  # it is within quotes
            continue
        if json.dumps(before) == json.dumps(found):  # as NaN is not equal to itself
            raise ConfigError(
                f"{place}: {shown(text[number:])} is a comment in YAML; put the value in quotes"
            )
    return found


def _parsed(text: str, place: str, is_text: IsText | None) -> Any:
    return parse_yaml(text, place, is_ours=True, lines=False, is_text=is_text)


def check_consistent(overrides: Iterable[tuple[str, Any]]) -> None:
    """Raises ConfigError where two `--set` give one key different values."""
    said: dict[str, tuple[str, Any]] = {}
    for key, value in overrides:
        for place, leaf in _leaves(key, value):
            for other, (by, before) in said.items():
                inner = (f"{other}.".startswith(f"{place}.") and leaf != {}) or (
                    f"{place}.".startswith(f"{other}.") and before != {}
                )
                if (inner or place == other) and (other, before) != (place, leaf):
                    both = (
                        f"{shown(before)} and {shown(leaf)}"
                        if other == place
                        else f"{shown(by)} and {shown(key)}"
                    )
                    raise ConfigError(
                        f"--set {place} is given twice and differently: {both}; keep one of them"
                    )
            said[place] = (key, leaf)


def nested(key: str, value: Any, separator: str = ".") -> dict[str, Any]:
    """`value` under its dotted key."""
    for part in reversed(key.split(separator)):
        value = {part: value}
    return dict(value)


def _leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{place}.{key}", inner)
    else:
        yield place, value


def _own(value: Any) -> Any:
    """A copy in which no two places share a mapping or list."""
    if isinstance(value, Mapping):
        return {key: _own(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_own(inner) for inner in value]
    return copy.copy(value)
