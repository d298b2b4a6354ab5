"""What a refusal looks like, whatever was refused."""

from __future__ import annotations

from pathlib import Path

import pytest

LONGEST_SENTENCE = 700


def sentence(refused: pytest.ExceptionInfo[BaseException], place: Path | str) -> str:
    """What was raised, which must be one short line of printable text that names `place`."""
    text = str(refused.value)
    assert str(place) in text, text
    assert "\n" not in text and len(text) < LONGEST_SENTENCE and text.isprintable()
    return text


#: What libraries written in Rust raise where they give up.
Panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})
