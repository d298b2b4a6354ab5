from __future__ import annotations

from pathlib import Path

import pytest

from calvin.recording import recorded_renderer
from errors import DatasetError


def configured(folder: Path, text: str | bytes) -> Path:
    file = folder / ".hydra" / "merged_config.yaml"
    file.parent.mkdir()
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


@pytest.mark.parametrize(
    ("text", "renderer"),
    [
        ("env:\n  use_egl: true\n", "egl"),
        ("env:\n  use_egl: false\n", "tiny"),
        ("env:\n  use_egl: ${egl}\n", None),
        ("env: {}\n", None),
        ("cameras: {}\n", None),
        ("- env\n", None),
        ("", None),
    ],
)
def test_the_configuration_tells_the_renderer(tmp_path: Path, text: str, renderer: str | None) -> None:
    assert recorded_renderer(configured(tmp_path, text)) == renderer


def test_without_a_configuration_nobody_knows(tmp_path: Path) -> None:
    assert recorded_renderer(tmp_path) is None


@pytest.mark.parametrize("text", ["env: [", b"\xff\xfe\x00"])
def test_a_damaged_configuration_is_named(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(DatasetError, match=r"merged_config\.yaml is not YAML"):
        recorded_renderer(configured(tmp_path, text))


def test_a_key_twice_is_named_and_the_official_readers_rules_hold(tmp_path: Path) -> None:
    (tmp_path / "twice").mkdir()
    twice = configured(tmp_path / "twice", "env:\n  use_egl: true\ncameras: {}\nenv:\n  use_egl: false\n")
    with pytest.raises(DatasetError, match=r"merged_config\.yaml, line 4: the key 'env' is given twice"):
        recorded_renderer(twice)
    (tmp_path / "odd").mkdir()
    odd = configured(
        tmp_path / "odd", "date: 2021-07-08\nport: 012\ntime: 1:30\nnothing: ~\nenv: {use_egl: yes}\n"
    )
    assert recorded_renderer(odd) == "egl"
