"""Two names that look alike are one, whoever wrote them."""

from __future__ import annotations

import pytest

from settings.names import found, look, tidy, twins


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("A ", "A"),
        ("  two  words ", "two words"),
        ("u\u0308ber", "\u00fcber"),
        ("x\u00b2", "x\u00b2"),
        ("\ufb01ne", "\ufb01ne"),
        ("a\tb", "a\tb"),
        (" ", ""),
    ],
)
def test_a_name_is_kept_in_one_form(written: str, kept: str) -> None:
    assert tidy(written) == kept == tidy(kept)


@pytest.mark.parametrize("alike", ["fine ", "\ufb01ne", "f\uff49ne", "fine\ufe0f", "fi\u3164ne", " fine"])
def test_names_that_look_alike_are_one(alike: str) -> None:
    assert look(alike) == look("fine")
    assert found(alike, ["other", "fine"]) == "fine"
    assert found("fine", ["other", alike]) == alike
    assert twins(["other", alike, "fine"]) == (alike, "fine")


def test_names_that_can_be_told_apart_are_several() -> None:
    assert twins(["x", "X", "x1", "x 1", "x-1", "x.1", "\u00fc", "u"]) is None
    assert found("x", ["x", "x "]) == "x", "as it was kept"
    assert found("x  ", ["x", "x "]) == "x  ", "which of the two nobody knows"
    assert found("y", ["x"]) == "y"
