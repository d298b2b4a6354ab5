from __future__ import annotations

import pytest

from simulators.playtable import renderers
from simulators.rendering import chosen_renderer


@pytest.mark.parametrize("frames", ["egl", "tiny", None])
@pytest.mark.parametrize("wanted", ["egl", "tiny"])
def test_what_is_named_is_taken(wanted: str, frames: str | None) -> None:
    assert chosen_renderer(wanted, frames) == wanted


@pytest.mark.parametrize(
    ("frames", "fault", "chosen"),
    [
        ("tiny", None, "tiny"),
        ("egl", None, "egl"),
        (None, None, "egl"),
        ("egl", "no driver", "tiny"),
        (None, "no driver", "tiny"),
    ],
)
def test_auto_follows_the_frames_where_it_can(
    monkeypatch: pytest.MonkeyPatch, frames: str | None, fault: str | None, chosen: str
) -> None:
    monkeypatch.setattr(renderers, "egl_fault", lambda: fault)
    assert chosen_renderer("auto", frames) == chosen
