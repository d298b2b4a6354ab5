"""Frozen dataclasses from the plain dictionaries that JSON and YAML give."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from errors import ConfigError
from settings.shown import cut, shown

Value = TypeVar("Value")

#: Metadata of a field that `plain` leaves out at its default: what was written before there was the field stays
#: byte for byte what it was, and so do the keys that are made of it.
LATER: Mapping[str, Any] = {"later": True}

#: Metadata of a field whose numbers may be infinite; all others are finite.
INFINITE: Mapping[str, Any] = {"infinite": True}


#: Up to here a float stands for one whole number.
_LARGEST_EXACT = 2**53


def plain(value: Any, whole: bool = False) -> Any:
    """Nested dictionaries of a dataclass, ready for JSON. Fields marked LATER are left out at their default, unless
    `whole`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name), whole)
            for field in dataclasses.fields(value)
            if whole or not field.metadata.get("later") or getattr(value, field.name) != field.default
        }
    return value


def dataclass_from(cls: type[Value], values: Mapping[str, Any]) -> Value:
    """Inverse of `plain`, nested ones included.

    Raises ConfigError naming the first field that is unknown, missing or of another type.
    """
    return _dataclass(cls, values, "")


def same_value(first: Any, second: Any) -> bool:
    """Equality of plain values, whether their rows are lists or tuples, and 1 is 1.0; None among them is left out."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        names = {name for values in (first, second) for name, value in values.items() if value is not None}
        return all(same_value(first.get(name), second.get(name)) for name in names)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(same_value, first, second))
    return bool(first == second)


def require(condition: bool, field: str, message: str) -> None:
    """Raise ConfigError about `field` unless `condition` holds."""
    if not condition:
        raise ConfigError(f"model config field {field}: {message}")


def _dataclass(cls: Any, values: Any, prefix: str) -> Any:
    require(
        isinstance(values, Mapping),
        prefix.rstrip(".") or "(whole)",
        f"must be a mapping, got {shown(values)}",
    )
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for name in values:
        require(name in fields, prefix + cut(str(name)), f"unknown; known are {', '.join(fields)}")
    arguments = {}
    for name, field in fields.items():
        if name in values:
            is_finite = not field.metadata.get("infinite")
            arguments[name] = _convert(hints[name], values[name], prefix + name, is_finite)
        else:
            require(field.default is not dataclasses.MISSING, prefix + name, "is missing")
    return cls(**arguments)


def _convert(hint: Any, value: Any, name: str, is_finite: bool) -> Any:
    if get_origin(hint) in (Union, UnionType):
        if value is None:
            return None
        hint = next(option for option in get_args(hint) if option is not type(None))
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, value, name + ".")
    if get_origin(hint) is tuple:
        require(isinstance(value, list | tuple), name, f"must be a list, got {shown(value)}")
        return tuple(_convert(get_args(hint)[0], item, name, is_finite) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST_EXACT:
        return int(value)  # 1e6 in YAML
    require(type(value) is hint, name, f"must be {hint.__name__}, got {shown(value)}")
    if hint is float and is_finite:
        require(math.isfinite(value), name, f"must be finite, got {value}")
    return value
