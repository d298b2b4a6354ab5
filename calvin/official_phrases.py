"""CALVIN's own instructions: 389 phrases that its training demonstrations have, and 34 of its validation.

They are those of calvin_models/conf/annotations/new_playtable.yaml and new_playtable_validation.yaml (mees/calvin, MIT
licence). No phrase is in both lists, and none stands for two tasks.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("official_phrases.csv")


class Phrase(NamedTuple):
    """split: `training` or `validation`, whose list it is in."""

    split: str
    task: str


def known_phrase(text: str) -> Phrase | None:
    """Whatever the case of its letters, the space around it and a full stop; None for other sentences."""
    return _phrases().get(_plain(text))


def validation_phrases() -> dict[str, str]:
    """The phrase that the official evaluation uses, by task."""
    return {task: phrase for split, task, phrase in _rows() if split == "validation"}


@cache
def _phrases() -> Mapping[str, Phrase]:
    return {_plain(phrase): Phrase(split, task) for split, task, phrase in _rows()}


@cache
def _rows() -> tuple[tuple[str, str, str], ...]:
    lines = FILE.read_text(encoding="ascii").splitlines()[1:]
    return tuple((split, task, phrase) for split, task, phrase in csv.reader(lines))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).removesuffix(".")
