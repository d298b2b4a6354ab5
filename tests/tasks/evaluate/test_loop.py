"""The loop that jobs and commands share: which sequences are done, in what order things are kept, what is filmed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from policies.random_actions import RandomPolicy
from tasks.evaluate.chains import ChainsSpec
from tasks.evaluate.loop import Evaluation
from tests.tasks.evaluate.test_rollout import TASKS, Oracle, Script

SPEC = ChainsSpec(
    simulator="playtable", scene="D", assets=None, python=None, renderer="tiny", parallel=False, drawn=8,
    tasks=tuple(TASKS), instructions=None, max_steps=4, simulators=1,
)  # fmt: skip
SCENERY: list[Any] = [Script(solves=0, after=1)]


@pytest.fixture(autouse=True)
def unsolvable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.evaluate.rollout.TaskOracle", lambda: Oracle(Script(0, 1)))


def test_what_has_ended_is_not_done_again() -> None:
    whole = Evaluation(SPEC, RandomPolicy(0), range(2, 6))
    assert [result.sequence for result in whole.run(SCENERY)] == [2, 3, 4, 5]
    rest = Evaluation(SPEC, RandomPolicy(0), range(2, 6), [whole.entries[2], whole.entries[0]])
    assert [number for number, _ in rest.todo] == [3, 5]
    list(rest.run(SCENERY))
    assert [entry["sequence"] for entry in rest.entries] == [4, 2, 3, 5]
    assert rest.by_sequence() == whole.entries


def test_each_is_kept_before_it_is_filmed_and_given() -> None:
    told: list[tuple[str, int]] = []
    evaluation = Evaluation(
        SPEC, RandomPolicy(0), range(2), film_for=lambda sequence: told.append(("film", sequence))
    )
    for result in evaluation.run(SCENERY, keep=lambda entry, _: told.append(("keep", entry["sequence"]))):
        told.append(("given", result.sequence))
        assert len(evaluation.entries) == result.sequence + 1
    assert told == [(what, sequence) for sequence in range(2) for what in ("keep", "film", "given")]


def test_films_lie_where_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[Path, Any] = {}
    monkeypatch.setattr(
        "tasks.evaluate.videos.write_failure", lambda failure, file, looks: made.update({file: looks})
    )
    places = iter([tmp_path / "first.mp4", None, tmp_path / "third.mp4"])
    filmed = Evaluation(SPEC, RandomPolicy(0), range(3), film_for=lambda _: next(places), show_attention=True)
    list(filmed.run(SCENERY))
    assert list(made) == [tmp_path / "first.mp4", tmp_path / "third.mp4"]
    assert not any(made.values()), "chance does not tell where it looks"


def test_a_stop_leaves_the_rest_for_later() -> None:
    evaluation, asked = Evaluation(SPEC, RandomPolicy(0), range(3)), stops_after(2)
    abandoned: list[int] = []
    list(evaluation.run(SCENERY, should_stop=lambda: next(asked), abandoned=abandoned.append))
    assert len(evaluation.entries) < 3
    again = Evaluation(SPEC, RandomPolicy(0), range(3), evaluation.entries)
    assert len(again.todo) == 3 - len(evaluation.entries)


def stops_after(rounds: int) -> Iterator[str | None]:
    yield from [None] * rounds
    while True:
        yield "cancelled"
