"""What of a configuration is text, and what the name of a file or folder: by the types of its keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel

from experiments.reconvla.config import AblationConfig
from experiments.reconvla.sections import check_path
from policies.registry import text_entries
from settings.places import with_variables

#: Taken as numbers too, and made a text by the section itself.
_NUMBERS_TOO = frozenset({"data.episodes", "data.validation_episodes"})
#: In rows of the table: what names an arm, or what a policy is told.
_IN_ROWS = re.compile(rf"arms\.(?P<row>.+)\.(?:title|base|policy\.(?:{'|'.join(text_entries())}))")
_SET = re.compile(r"arms\..+?\.set\.(?P<key>.+)")
_ROWS = "arms"
_ITEM = re.compile(r"(\[\d+\])+$")


def is_text(path: str, is_key: bool) -> bool:
    """Whether what stands at a dotted path of a configuration is a text, however much it looks like a number.

    is_key: it is a key of the mapping there.
    """
    if is_key:
        return path == _ROWS
    path = _ITEM.sub("", path)
    in_a_set = _SET.fullmatch(path)
    key = in_a_set["key"] if in_a_set else path
    return key in _texts() or _IN_ROWS.fullmatch(path) is not None


def with_places(values: Mapping[str, object], within: str = "") -> dict[str, object]:
    """`values` with the environment's variables in every name of a file or folder (`settings.places`).

    Raises ConfigError naming the key.
    """
    return {
        name: _with_places(value, f"{within}.{name}" if within else str(name))
        for name, value in values.items()
    }


def with_place(key: str, value: object) -> object:
    """The same of the value of one dotted key."""
    return _with_places(value, key)


def _with_places(value: object, path: str) -> object:
    if isinstance(value, Mapping):
        return with_places(value, path)
    in_a_set = _SET.fullmatch(path)
    is_place = (in_a_set["key"] if in_a_set else path) in _places()
    return with_variables(value, path) if is_place and isinstance(value, str) else value


@cache
def _texts() -> frozenset[str]:
    return frozenset(key for key, types, _ in _leaves(AblationConfig) if str in types) - _NUMBERS_TOO


@cache
def _places() -> frozenset[str]:
    return frozenset(key for key, _, checks in _leaves(AblationConfig) if check_path in checks)


def _leaves(section: type[BaseModel], above: str = "") -> Iterator[tuple[str, set[object], set[object]]]:
    """Every key of a section by dotted name, with the plain types and the checks of what it holds."""
    for name, field in section.model_fields.items():
        types, checks = _within(field.annotation)
        inner = [kind for kind in types if isinstance(kind, type) and issubclass(kind, BaseModel)]
        for one in inner if name != _ROWS else []:
            yield from _leaves(one, f"{above}{name}.")
        yield f"{above}{name}", types, checks | {getattr(one, "func", None) for one in field.metadata}


def _within(hint: object) -> tuple[set[object], set[object]]:
    if get_origin(hint) is Annotated:
        inner, *said = get_args(hint)
        types, checks = _within(inner)
        return types, checks | {getattr(one, "func", None) for one in said}
    if get_origin(hint) in (Union, UnionType, tuple):
        found = [_within(one) for one in get_args(hint) if one is not Ellipsis]
        return set().union(*(types for types, _ in found)), set().union(*(checks for _, checks in found))
    return {hint}, set()
