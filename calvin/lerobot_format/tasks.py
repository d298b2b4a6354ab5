"""Which of CALVIN's tasks an episode shows, and how it is told: by `name: sentence`, or by CALVIN's own phrases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from benchmark.tasks import TASKS
from calvin.instruction_text import fault_of_instruction
from calvin.official_phrases import known_phrase


@dataclass(frozen=True)
class Told:
    """list: `training` or `validation`, whose list of CALVIN's own the instruction is in; None for other sentences."""

    task: str
    instruction: str
    list: str | None


def told_of(texts: Iterable[tuple[str, ...]]) -> tuple[Told | None, ...]:
    """What each of some episodes shows, as `told_task` tells it of their texts."""
    return tuple(map(told_task, texts))


@lru_cache(maxsize=4096)
def told_task(texts: tuple[str, ...]) -> Told | None:
    """What an episode's texts say; None where that is no task of CALVIN's, or several. Sets of GR00T have other texts
    beside the one that tells (`valid`).
    """
    found: dict[tuple[str, str], Told] = {}
    for told in map(_told, dict.fromkeys(texts)):
        if told is not None:
            found.setdefault((told.task, told.instruction.strip()), told)
    return next(iter(found.values())) if len(found) == 1 else None


def _told(text: str) -> Told | None:
    name, separator, sentence = text.partition(":")
    if separator and name.strip() in TASKS:
        instruction, task = sentence.removeprefix(" "), name.strip()
    else:
        phrase = known_phrase(text)
        if phrase is None:
            return None
        instruction, task = text, phrase.task
    if fault_of_instruction(instruction) is not None:
        return None
    phrase = known_phrase(instruction)
    known = phrase is not None and phrase.task == task
    return Told(task, instruction, phrase.split if known and phrase is not None else None)
