"""Durations as people write them."""

from __future__ import annotations

import pytest

from errors import ConfigError
from settings.duration import seconds_of, session_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("45s", 45), ("1.5h", 5400), ("11h30m", 41_400), (" 2H ", 7200), ("1d2h3m4s", 93_784)],
)
def test_known_forms(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "1h30", "-5", "0", "0s", "nan", "inf", "1e400", "h", "1w"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="duration"):
        seconds_of(text)


def test_a_session_lasts_for_the_option_or_until_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert session_seconds(None, 100.0) is None
    monkeypatch.setenv("BATON_SESSION_DEADLINE", "250.5")
    assert session_seconds(None, 100.0) == 150.5
    assert session_seconds(None, 300.5) == -50.0
    assert session_seconds("10s", 100.0) == 10.0
    for text in ("tomorrow", "nan", "inf"):
        monkeypatch.setenv("BATON_SESSION_DEADLINE", text)
        with pytest.raises(ConfigError, match="BATON_SESSION_DEADLINE"):
            session_seconds(None, 100.0)
