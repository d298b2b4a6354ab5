"""Paths as people write them: `~` and variables, in every place alike."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from errors import ConfigError
from settings.home import home_at
from settings.places import expanded, with_variables


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("NOWHERE", raising=False)


@pytest.mark.parametrize(
    ("text", "is_path"),
    [
        ("~/x", "{tmp}/me/x"),
        ("$DATA", "{tmp}/data"),
        ("$DATA/x", "{tmp}/data/x"),
        ("${DATA}_2/x", "{tmp}/data_2/x"),
        ("$HOME/$DATA", "{tmp}/me/{tmp}/data"),
        ("a$/b", "a$/b"),
        ("a$1", "a$1"),
        ("x/~/y", "x/~/y"),
    ],
)
def test_what_a_shell_would_make_of_it(text: str, is_path: str, tmp_path: Path) -> None:
    assert os.fspath(expanded(text, "--x")) == os.path.normpath(is_path.format(tmp=tmp_path))


@pytest.mark.parametrize(
    ("text", "said"), [("$NOWHERE/x", "$NOWHERE is not set"), ("${EMPTY}/x", "${EMPTY} is empty")]
)
def test_a_variable_that_says_nothing_is_no_root_folder(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        expanded(text, "evaluation.assets")
    assert str(refused.value).startswith(f"evaluation.assets: {said}")


def test_a_file_that_is_called_so_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("$NOWHERE").mkdir()
    assert with_variables("$NOWHERE", "--x") == "$NOWHERE"


def test_the_home_by_option_and_by_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home_at("$DATA/home").root == tmp_path / "data" / "home"
    monkeypatch.setenv("BATON_HOME", "${DATA}/other")
    assert home_at(None).root == tmp_path / "data" / "other"
    monkeypatch.setenv("BATON_HOME", "$NOWHERE/other")
    with pytest.raises(ConfigError, match=r"BATON_HOME: \$NOWHERE is not set"):
        home_at(None)
