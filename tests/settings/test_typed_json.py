"""Frozen dataclasses as JSON: what is left out, what is aside, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from errors import InvalidInput
from settings.bounds import Number, Share
from settings.json_values import Json
from settings.typed_json import (
    Aside,
    Flag,
    Items,
    Real,
    Whole,
    both_json,
    from_json,
    key_json,
    to_json,
    wrong_entry,
)


@dataclass(frozen=True, kw_only=True)
class Inner:
    place: Aside[str]
    share: Share
    names: Items[str] = ()


@dataclass(frozen=True, kw_only=True)
class Outer:
    way: Literal["one", "other"]
    count: Whole
    seconds: Aside[Real | None]
    inner: Mapping[str, Inner]
    anything: Mapping[str, object]
    on: Flag = False
    limit: Number | None = None


WHOLE: dict[str, Any] = {
    "way": "one",
    "count": 3,
    "seconds": None,
    "inner": {
        "a": {"place": "/here", "share": 0.5, "names": ["x", "y"]},
        "b": {"place": "/there", "share": 1.0},
    },
    "anything": {"deep": [1, {"text": None}]},
}


def read(**entries: Any) -> Outer:
    return from_json(Outer, {**WHOLE, **entries}, "the thing")


def test_what_is_written_is_read_back() -> None:
    assert to_json(read()) == WHOLE, "what has its default is left out"
    assert to_json(read(on=True, limit=0)) == {**WHOLE, "on": True, "limit": 0}
    assert read(unknown=1) == read()
    assert read().inner["a"] == Inner(place="/here", share=0.5, names=("x", "y"))
    assert isinstance(read(seconds=2).seconds, float)


def test_keys_are_made_without_what_is_aside_at_any_depth() -> None:
    assert key_json(read(seconds=1.5)) == {
        "way": "one",
        "count": 3,
        "inner": {"a": {"share": 0.5, "names": ["x", "y"]}, "b": {"share": 1.0}},
        "anything": {"deep": [1, {"text": None}]},
    }


@pytest.mark.parametrize(
    ("entries", "where"),
    [
        ({"count": "3"}, "count"),
        ({"count": True}, "count"),
        ({"count": 2.0}, "count"),
        ({"on": 1}, "on"),
        ({"way": "third"}, "way"),
        ({"inner": {"a": {"place": "/here", "share": 2.0}}}, r"inner\.a\.share"),
        ({"inner": {"a": {"place": "/here", "share": 0.5, "names": [1]}}}, r"inner\.a\.names\.0"),
        ({"limit": -1}, "limit"),
        ({"anything": []}, "anything"),
    ],
)
def test_another_type_is_refused_by_its_entry(entries: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidInput, match=f"^the thing: {where}"):
        read(**entries)
    assert (wrong_entry(Outer, {**WHOLE, **entries}) or "").startswith(where.replace("\\", ""))


def test_what_is_missing_is_no_wrong_entry() -> None:
    with pytest.raises(InvalidInput, match=r"^the thing: way"):
        from_json(Outer, {"count": 1}, "the thing")
    assert wrong_entry(Outer, {"count": 1}) is None
    assert "count" in (wrong_entry(Outer, {"count": "1"}) or "")


def test_what_json_does_not_hold_is_a_mistake_of_whoever_writes_it() -> None:
    with pytest.raises(TypeError, match="set is nothing that JSON holds"):
        to_json({"a": {1}})


@dataclass(frozen=True, kw_only=True)
class Holder:
    inner: Inner | None
    plain: Items[Whole] = ()
    many: Items[Inner] = ()
    seconds: Aside[Real | None] = None


INNER, ALIKE = Inner(place="/here", share=0.5), Inner(place="/here", share=0.5, names=("x",))


@pytest.mark.parametrize(
    "value",
    [
        read(),
        read(seconds=1.5, on=True),
        Holder(inner=INNER),
        Holder(inner=None, plain=(1, 2)),
        Holder(inner=ALIKE, seconds=1.0, many=(INNER, ALIKE)),
        Holder(inner=INNER, many=(INNER, INNER)),
    ],
)
def test_both_at_once_are_what_each_is_alone(value: object) -> None:
    seen: dict[type, tuple[object, tuple[Json, Json]]] = {}
    for asked in (value, Holder(inner=ALIKE), value):
        assert both_json(asked, seen) == (to_json(asked), key_json(asked))
