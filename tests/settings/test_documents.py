"""YAML and JSON that can be taken in two ways are refused by file, line and key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from errors import ConfigError, DatasetError
from settings.documents import parse_json, parse_yaml
from tests.support import REPOSITORY
from tests.test_layers import modules


@pytest.mark.parametrize(
    ("text", "line", "key", "first"),
    [
        ("training:\n  steps: 7\ntraining:\n  batch_size: 2\n", 3, "training", 1),
        ("a:\n  b:\n  - x: 1\n    y: 2\n    x: 3\n", 5, "a.b[0].x", 3),
        ("{a: 1, 'a': 2}", 1, "a", 1),
        ("1: a\ntrue: b\n", 2, "true", 1),
        ("a: &a {x: 1}\nb: {<<: *a,\n    <<: *a}\n", 3, "b.<<", 2),
        ("a: &a {x: 1, x: 2}\nb: *a\n", 1, "a.x", 1),
    ],
)
def test_a_key_twice_is_named_with_its_lines(text: str, line: int, key: str, first: int) -> None:
    with pytest.raises(DatasetError) as refused:
        parse_yaml(text, "some.yaml", DatasetError)
    assert str(refused.value).startswith(f"some.yaml, line {line}: the key {key!r} is given twice")
    assert f"first in line {first}" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}", {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}),
        (
            "a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: [*b, *a], z: 0}\nd: {e: {f: {<<: *b, x: 5}}}",
            {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 2, "z": 0}, "d": {"e": {"f": {"x": 5}}}},
        ),
        ("a: &a [1, 2]\nb: *a", {"a": [1, 2], "b": [1, 2]}),
        ("- {x: 1}\n- {x: 2}", [{"x": 1}, {"x": 2}]),
        ("", None),
    ],
)
def test_anchors_and_merge_keys_are_yamls(text: str, value: object) -> None:
    assert parse_yaml(text, "some.yaml", is_ours=True) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e6", 1e6),
        ("2E-5", 2e-5),
        ("1.5e3", 1500.0),
        ("-.5e+2", -50.0),
        ("1_0e2", 1000.0),
        ("0", 0),
        ("-0.5", -0.5),
        ("0x1F", 31),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01 10:00:00", "2024-01-01 10:00:00"),
        ("1e6x", "1e6x"),
        ("e6", "e6"),
        ("on", True),
        ("'012'", "012"),
        ("'1:30'", "1:30"),
    ],
)
def test_scalars_mean_what_they_say(text: str, value: object) -> None:
    read = parse_yaml(f"a: {text}", "some.yaml", is_ours=True)["a"]
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize("text", ["012", "-07", "08", "1:30", "190:20:30", "1:30.5", "~"])
def test_what_readers_of_yaml_take_differently_is_refused_where_it_is_ours(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_yaml(f"a:\n  b: {text}\n", "some.yaml", is_ours=True)
    assert str(refused.value).startswith("some.yaml, line 2: a.b: ")
    parse_yaml(f"a:\n  b: {text}\n", "some.yaml")  # CALVIN's own files are read as CALVIN reads them


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: b\n\tc: d", r"cannot start any token \(line 2\)"),
        ("a: 1\n---\nb: 2", r"another document \(line 2\)"),
        ("a: [", "line 1"),
        ("a: !!python/name:os.system x", "tag"),
        ("[" * 3000, "not YAML"),
        ("a: \x07", "unacceptable character"),
    ],
)
def test_what_is_no_yaml_is_one_sentence_with_a_line(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        parse_yaml(text, "some.yaml")
    assert "some.yaml is not YAML" in str(refused.value) and len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1,\n "b": 2,\n "a": 3}', "line 3: the key 'a' is given twice (first in line 1)"),
        (
            '{"a": {"x": 1}, "b": [{"x": 1,\n"x": "}"}]}',
            "line 2: the key 'x' is given twice (first in line 1)",
        ),
        (b'{"a\\u0062": "{,:", "ab": 2}', "line 1: the key 'ab' is given twice"),
    ],
)
def test_a_key_twice_in_json_is_named(text: str | bytes, says: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_json(text)
    assert says in str(refused.value)


@pytest.mark.parametrize("value", [{"a": {"x": 1}, "b": {"x": 2}}, [], "a", {"": [{}, {}]}])
def test_other_json_is_read_as_ever(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value


def test_no_other_place_reads_yaml() -> None:
    """Whoever called PyYAML directly would take the last of two equal keys."""
    readers = [
        file.relative_to(REPOSITORY)
        for file in modules()
        if "yaml." in file.read_text(encoding="utf-8") and "import yaml" in file.read_text(encoding="utf-8")
    ]
    # `documents` looks through what `document_limits` parsed; the other two write it.
    assert sorted(map(str, readers)) == [
        "reports/parts/reproduction.py",
        "settings/document_limits.py",
        "settings/documents.py",
        "tasks/data/extract.py",
    ]
