"""Evaluation sequences from a file: JSON of `[[initial state, [five tasks]], ...]`, as evaluations of CALVIN store the
official ones (RoboFlamingo's and GR-1's `eval_sequences.json`, ReconVLA's `question.json`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.tasks import TASKS
from calvin.sequences import CHAIN_LENGTH, Chain
from calvin.transitions import INITIAL_CONDITIONS, State, successor
from errors import ConfigError, InvalidInput
from settings.documents import parse_json
from settings.regular import MOST_TEXT_BYTES, text_of
from settings.shown import shown
from settings.suggestions import did_you_mean

#: Of an evaluation (`experiments.reconvla.sections.Sequences`).
_MOST = 100_000
_LINE = re.compile(r"([a-z01_ ]+); ([a-z_ ]+); ([0-9]{1,6})")
_STATE, _TASKS = "initial_state", "tasks"


def read_sequences_file(path: Path) -> list[Chain]:
    """The sequences of a file, in its order; at least one.

    Raises ConfigError naming the file and the sequence (the first is 0) that has an initial state none can have, not
    five tasks, or a task that is not possible there.
    """
    try:
        content = parse_json(text_of(path, ConfigError, MOST_TEXT_BYTES))
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, list) or not content:
        raise ConfigError(f"{path} is no list of sequences: [[initial state, [five tasks]], ...], as JSON")
    if len(content) > _MOST:
        raise ConfigError(f"{path} has {len(content):,} sequences; at most {_MOST:,} are read")
    return [_chain(entry, f"{path}: sequence {number}") for number, entry in enumerate(content)]


def listed(chains: Sequence[Chain]) -> tuple[str, ...]:
    """Each as one line of text: its initial state, its tasks, and how many equal ones are before it."""
    seen: Counter[str] = Counter()
    lines = []
    for chain in chains:
        values = " ".join(str(chain.initial_state[field]) for field in State._fields)
        line = f"{values}; {' '.join(chain.tasks)}"
        lines.append(f"{line}; {seen[line]}")
        seen[line] += 1
    return tuple(lines)


def of_line(line: str) -> tuple[Chain, int]:
    """Inverse of `listed`: the sequence, and how many equal ones are before it. Raises InvalidInput."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise InvalidInput(f"{shown(line, 60)} is no sequence")
    values, tasks, copies = found.groups()
    names = dict(zip(State._fields, values.split(" ")))
    state = {field: int(value) if value in ("0", "1") else value for field, value in names.items()}
    return _chain([state, tasks.split(" ")], shown(line, 60)), int(copies)


def tasks_of(chains: Sequence[Chain]) -> tuple[str, ...]:
    """All that are asked for, in CALVIN's order."""
    asked = {task for chain in chains for task in chain.tasks}
    return tuple(task for task in TASKS if task in asked)


def _chain(entry: Any, where: str) -> Chain:
    if isinstance(entry, dict) and set(entry) == {_STATE, _TASKS}:
        entry = [entry[_STATE], entry[_TASKS]]
    if not isinstance(entry, list) or len(entry) != 2:
        raise ConfigError(f"{where} is {shown(entry, 60)}, not an initial state and its tasks")
    state, tasks = _state(entry[0], where), entry[1]
    if not isinstance(tasks, list) or len(tasks) != CHAIN_LENGTH:
        raise ConfigError(f"{where} has {shown(tasks, 60)} for its {CHAIN_LENGTH} tasks")
    reached: State | None = state
    for place, task in enumerate(tasks, start=1):
        if not isinstance(task, str) or task not in TASKS:
            near = did_you_mean(str(task), TASKS)
            raise ConfigError(f"{where}: task {place} is {shown(task, 60)}, which is none of CALVIN's{near}")
        assert reached is not None
        reached = successor(reached, task)
        if reached is None:
            raise ConfigError(f"{where}: task {place}, {task}, is not possible after what is before it")
    return Chain(state.as_dict(), tuple(tasks))


def _state(values: Any, where: str) -> State:
    if not isinstance(values, dict) or set(values) != set(State._fields):
        raise ConfigError(f"{where}: its initial state has not the keys {', '.join(State._fields)}")
    for field, known in INITIAL_CONDITIONS.items():
        # True would pass for 1, and be hashed otherwise.
        if type(values[field]) not in (int, str) or values[field] not in known:
            told = ", ".join(map(str, known))
            raise ConfigError(f"{where}: {field} is {shown(values[field], 60)}, not one of {told}")
    state = State(**values)
    for place in ("slider_left", "slider_right"):
        if state.blocks.count(place) > 1:
            raise ConfigError(f"{where}: two blocks are at {place}, where one has room")
    if state.blocks.count("table") > 2:
        raise ConfigError(f"{where}: three blocks are on the table, which has two places for them")
    return state
