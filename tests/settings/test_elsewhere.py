"""Where the state and the artifacts live: the environment, then the home's file, then the home's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from errors import ConfigError
from settings.elsewhere import FILE, elsewhere
from settings.home import Home

DATABASE = "postgresql://baton@db/baton"


def test_without_a_word_all_is_in_the_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.state == tmp_path / "state.db"
    assert (home.state_in_home, home.artifacts_url, home.exists) == (True, None, False)
    assert home.state_place == str(home.state_db)


def test_the_file_names_both_and_a_variable_goes_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE).write_text(f"database: {DATABASE}\nartifacts: s3://bucket/runs\n")
    home = Home(tmp_path)
    assert (home.state, home.artifacts_url) == (DATABASE, "s3://bucket/runs")
    assert (home.state_in_home, home.exists) == (False, True)
    assert str(tmp_path / FILE) in home.state_place and "database" in home.state_place
    assert "artifacts" in home.artifacts_place
    monkeypatch.setenv("BATON_STATE_URL", "postgresql://other/baton")
    assert home.state == "postgresql://other/baton"
    assert home.state_place == "BATON_STATE_URL"
    assert home.artifacts_url == "s3://bucket/runs"


def test_an_empty_variable_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_STATE_URL", "")
    assert elsewhere(tmp_path).database is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("databse: postgresql://db/baton", r"unknown key 'databse'; .*; did you mean database\?$"),
        ("database: /var/lib/state.db", "database must be a URL"),
        ("database: 7", "database must be a URL"),
        ("- database", "must hold a mapping"),
        ("database: s3://a\ndatabase: s3://b", "line 2: the key 'database' is given twice"),
        ("a: [", "not YAML"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ConfigError, match=words) as refused:
        elsewhere(tmp_path)
    assert FILE in str(refused.value)
