"""Frozen dataclasses from the plain dictionaries that JSON and YAML give."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from errors import ConfigError

Value = TypeVar("Value")


def dataclass_from(cls: type[Value], values: Mapping[str, Any]) -> Value:
    """Inverse of `dataclasses.asdict`, nested ones included.

    Raises ConfigError naming the first field that is unknown, missing or of another type.
    """
    return _dataclass(cls, values, "")


def require(condition: bool, field: str, message: str) -> None:
    """Raise ConfigError about `field` unless `condition` holds."""
    if not condition:
        raise ConfigError(f"model config field {field}: {message}")


def _dataclass(cls: Any, values: Any, prefix: str) -> Any:
    require(
        isinstance(values, Mapping), prefix.rstrip(".") or "(whole)", f"must be a mapping, got {values!r}"
    )
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for name in values:
        require(name in fields, prefix + name, f"unknown; known are {', '.join(fields)}")
    arguments = {}
    for name, field in fields.items():
        if name in values:
            arguments[name] = _convert(hints[name], values[name], prefix + name)
        else:
            require(field.default is not dataclasses.MISSING, prefix + name, "is missing")
    return cls(**arguments)


def _convert(hint: Any, value: Any, name: str) -> Any:
    if get_origin(hint) in (Union, UnionType):
        if value is None:
            return None
        hint = next(option for option in get_args(hint) if option is not type(None))
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, value, name + ".")
    if get_origin(hint) is tuple:
        require(isinstance(value, list | tuple), name, f"must be a list, got {value!r}")
        return tuple(_convert(get_args(hint)[0], item, name) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    require(type(value) is hint, name, f"must be {hint.__name__}, got {value!r}")
    return value
