"""Frozen dataclasses as JSON and back: what rows, files and bundles hold is given types at one place.

A field with a default is left out of the JSON where it has that value. A field of type `Aside[...]` decides when or
where something is done, or what is said of it, and not what comes out: it is in the JSON, but not in what keys are
made of (`key_json`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from functools import cache
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import Field, Strict, TypeAdapter, ValidationError

from errors import InvalidInput
from settings.json_values import Json
from settings.shown import cut, shown

T = TypeVar("T")

_ASIDE = "aside"
_ATOMS = frozenset({str, int, float, bool, type(None)})

Aside = Annotated[T, _ASIDE]
#: A list in JSON.
Items = Annotated[tuple[T, ...], Strict(False)]
#: Without these, pydantic takes `true` and "1" for 1.
Whole = Annotated[int, Strict()]
Real = Annotated[float, Strict()]
#: Of frames, files and the like.
Count = Annotated[int, Strict(), Field(ge=0, lt=1 << 40)]
Flag = Annotated[bool, Strict()]


def to_json(value: object) -> Json:
    """`value` as plain JSON: dataclasses are objects, tuples are lists."""
    return _plain(value, keys=False)


def key_json(value: object) -> Json:
    """The same without what is aside."""
    return _plain(value, keys=True)


def both_json(value: object, seen: dict[type, tuple[object, tuple[Json, Json]]]) -> tuple[Json, Json]:
    """`to_json` and `key_json` of it in one go: what has nothing aside in it is one object in both.

    seen: empty at first, and kept by whoever asks for many: the dataclass of each type that was met last within
    another, as what many hold is mostly one object.
    """
    kind: Any = type(value)
    entries = _entries_aside(kind)
    if entries is None:
        return _both_of_many(value, seen)
    plain: dict[str, Json] = {}
    keyed: dict[str, Json] | None = None  # as `plain`
    fields = vars(value)
    for name, default, is_aside in entries:
        held = fields[name]
        if held == default:
            continue
        one = other = held
        if type(held) not in _ATOMS:
            known = seen.get(type(held))
            if known is None or known[0] is not held:
                known = held, both_json(held, seen)
                if dataclasses.is_dataclass(held):
                    seen[type(held)] = known
            one, other = known[1]
        if keyed is None and (is_aside or one is not other):
            keyed = dict(plain)
        plain[name] = one
        if keyed is not None and not is_aside:
            keyed[name] = other
    return plain, plain if keyed is None else keyed


def _both_of_many(value: object, seen: dict[type, tuple[object, tuple[Json, Json]]]) -> tuple[Json, Json]:
    if isinstance(value, (list, tuple)):
        if all(type(held) in _ATOMS for held in value):
            plain = list(value)
            return plain, plain
        pairs = [both_json(held, seen) for held in value]
        ones = [one for one, _ in pairs]
        return ones, ones if all(one is other for one, other in pairs) else [other for _, other in pairs]
    if isinstance(value, Mapping):
        of_names = {str(name): both_json(held, seen) for name, held in value.items()}
        return {name: one for name, (one, _) in of_names.items()}, {
            name: other for name, (_, other) in of_names.items()
        }
    plain_value = _plain(value, keys=False)
    return plain_value, plain_value


def from_json(shape: type[T], value: object, what: str) -> T:
    """A dataclass of JSON, whose other entries are left out. Raises InvalidInput naming `what` and the entry."""
    try:
        return cast(T, _adapter(cast(Hashable, shape)).validate_python(value))
    except ValidationError as error:
        raise InvalidInput(f"{what}: {first_mistake(error)}") from None


def wrong_entry(shape: type, value: object) -> str | None:
    """Entry and reason of the first that is there and not what it should be; None: at most some are missing."""
    try:
        _adapter(shape).validate_python(value)
    except ValidationError as error:
        return first_mistake(error, besides=frozenset({"missing"}))
    return None


def first_mistake(error: ValidationError, besides: frozenset[str] = frozenset()) -> str | None:
    """Entry and reason of the first, in bounds; None where all are of the kinds `besides`."""
    mistakes = error.errors(include_url=False)
    first = next((entry for entry in mistakes if entry["type"] not in besides), None)
    if first is None:
        return None
    where = ".".join(cut(str(part), 40) for part in first["loc"])
    reason = reason_of(first)
    got = f" (got {shown(first['input'], 60)})" if first["type"].endswith(("_parsing", "_type")) else ""
    return f"{cut(where)}: {reason}{got}" if where else f"{reason}{got}"


def reason_of(mistake: Mapping[str, Any]) -> str:
    """What one of pydantic's `errors` says, in bounds, without names of Python's and of classes of ours."""
    wanted = {
        "model_type": "it has settings of its own, so a mapping stands here",
        "dataclass_type": "it has entries of its own, so a mapping stands here",
        "dict_type": "a mapping stands here",
        "mapping_type": "a mapping stands here",
        "tuple_type": "a list stands here",
        "int_parsing": "a whole number stands here",
        "int_type": "a whole number stands here",
        "int_from_float": "a whole number stands here",
        "float_parsing": "a number stands here",
        "float_type": "a number stands here",
        "bool_parsing": "true or false stands here",
        "bool_type": "true or false stands here",
    }
    return wanted.get(mistake["type"]) or cut(mistake["msg"].removeprefix("Value error, "), 300)


def _plain(value: object, keys: bool) -> Json:
    kind: Any = type(value)
    if kind in _ATOMS:
        return cast(Json, value)
    entries = _entries(kind, keys)
    if entries is not None:
        plain: dict[str, Json] = {}
        for name, default in entries:
            held = getattr(value, name)
            if (
                type(held) in _ATOMS
            ):  # as the next line, without a call: a plan of many jobs asks a million times
                if held != default:
                    plain[name] = held
            elif held != default:
                plain[name] = _plain(held, keys)
        return plain
    if isinstance(value, (list, tuple)):
        return [_plain(held, keys) for held in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(held, keys) for name, held in value.items()}
    if isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{kind.__name__} is nothing that JSON holds")


@cache
def _entries(kind: type, keys: bool) -> tuple[tuple[str, object], ...] | None:
    """(name, default) of each field that is in the JSON; what has no default is equal to nothing. None: no
    dataclass."""
    if not dataclasses.is_dataclass(kind):
        return None
    left_out = _asides(kind) if keys else frozenset()
    return tuple(
        (field.name, _default(field)) for field in dataclasses.fields(kind) if field.name not in left_out
    )


@cache
def _entries_aside(kind: type) -> tuple[tuple[str, object, bool], ...] | None:
    """As `_entries` of all, and whether each is aside."""
    entries = _entries(kind, False)
    if entries is None:
        return None
    return tuple((name, default, name in _asides(kind)) for name, default in entries)


def _default(field: dataclasses.Field[Any]) -> object:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


@cache
def _asides(shape: type) -> frozenset[str]:
    hints = get_type_hints(shape, include_extras=True)
    return frozenset(
        name for name, hint in hints.items() if get_origin(hint) is Annotated and _ASIDE in get_args(hint)[1:]
    )


@cache
def _adapter(shape: Hashable) -> TypeAdapter[object]:
    return TypeAdapter(cast(type, shape))
