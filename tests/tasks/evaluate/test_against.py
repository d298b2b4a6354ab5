"""Two policies on the same sequences: stopped once they are told apart, wrongly no more often than is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from errors import InvalidInput, Stopped
from policies.random_actions import RandomPolicy
from tasks.evaluate import against
from tasks.evaluate.against import ENOUGH, Contender, Pairs, e_value, evaluate_against
from tasks.evaluate.chains import ChainsSpec

SPEC = ChainsSpec(
    simulator="playtable", scene="D", assets=None, python=None, renderer="tiny", parallel=False,
    assets_digest=None, calvin_env=None, tasks=(), drawn=1000, order="drawn", instructions=None, max_steps=5,
    simulators=4,
)  # fmt: skip


class Simulator:
    def description(self) -> dict[str, object]:
        return {"renderer": "tiny"}

    def close(self) -> None:
        pass


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Two policies whose results are functions of a sequence's number; how many each played is in `played`."""

    def run(
        first: Callable[[int], int], second: Callable[[int], int], sequences: int = 400, **options: Any
    ) -> dict[str, Any]:
        policies = [RandomPolicy(seed) for seed in (0, 1)]
        played: list[list[int]] = [[], []]

        class Evaluation:
            def __init__(self, spec: ChainsSpec, policy: RandomPolicy, numbers: range, entries: Any) -> None:
                self.which = policies.index(policy)
                self.entries = list(entries)
                there = {entry["sequence"] for entry in self.entries}
                self.todo = [number for number in numbers if number not in there]

            def run(self, simulators: Any, keep: Any, stepped: Any) -> Any:
                for number in self.todo:
                    done = (first, second)[self.which](number)
                    entry = {"sequence": number, "done": done, "steps": 1, "tasks": [], "actions": ""}
                    keep(entry, None)
                    played[self.which].append(number)
                    self.entries.append(entry)
                    yield None

        monkeypatch.setattr(against, "Evaluation", Evaluation)
        monkeypatch.setattr(
            against, "add_simulators", lambda there, spec, count: there.extend([Simulator()] * count)
        )
        both = [Contender(name, policy, {"w": name}) for name, policy in zip("AB", policies)]
        told: list[Pairs] = []
        found = evaluate_against(*both, SPEC, sequences, options.pop("level", 1), told.append, **options)
        return {**found, "played": played, "told": told}

    return run


def test_a_clear_difference_ends_it_early(play: Callable[..., dict[str, Any]]) -> None:
    found = play(lambda n: 1, lambda n: int(n % 3 == 0))
    assert found["decided"] and found["better"] == "A" and found["sequences"] < 40
    assert found["played"][0] == found["played"][1] == list(range(found["sequences"]))
    assert found["sequences"] % 8 == 0 and len(found["told"]) == found["sequences"] // 8, "whole blocks alone"
    assert found["e_value"] >= ENOUGH > found["told"][-2].most_e
    assert found["p_value_these_weights"] == pytest.approx(1 / found["e_value"])
    assert (found["lost"], found["won"]) == (0, sum(n % 3 > 0 for n in range(found["sequences"])))
    assert play(lambda n: int(n % 3 == 0), lambda n: 1)["better"] == "B"


def test_what_is_alike_is_played_to_the_end(play: Callable[..., dict[str, Any]]) -> None:
    found = play(lambda n: n % 2, lambda n: (n + 1) % 2, sequences=50)
    assert (found["decided"], found["better"], found["sequences"]) == (False, None, 50)
    assert found["success"] == [0.5, 0.5] and found["p_value_these_weights"] == 1.0


def test_the_level_is_what_counts(play: Callable[..., dict[str, Any]]) -> None:
    longer, shorter = lambda n: 3, lambda n: 2
    assert not play(longer, shorter, sequences=40)["decided"]
    assert play(longer, shorter, sequences=40, level=3)["decided"]


def test_it_goes_on_where_it_was_broken_off(play: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"

    def broken(number: int) -> int:
        if number == 12:
            raise KeyboardInterrupt
        return 1

    with pytest.raises(Stopped, match="stopped after 8 of 400 sequences; results are in"):
        play(broken, lambda n: n % 2, out=out)
    again = play(lambda n: 1, lambda n: n % 2, out=out)
    whole = play(lambda n: 1, lambda n: n % 2)
    assert again["played"][0] == [n for n in whole["played"][0] if n >= 12]
    assert {k: v for k, v in again.items() if k not in ("played", "told")} == {
        k: v for k, v in whole.items() if k not in ("played", "told")
    }
    (tmp_path / "results.jsonl.against").rename(out)
    with pytest.raises(InvalidInput, match="holds results"):
        play(lambda n: 1, lambda n: 0, out=out)


def test_alike_policies_are_told_apart_in_one_of_twenty_at_most() -> None:
    """Looked at after every block of eight, 40 % of sequences differing; and a difference is found."""
    chance = np.random.default_rng(5)
    shares = {}
    for points in (0.0, 0.15):
        won = chance.random((500, 500)) < 0.2 + points / 2
        lost = ~won & (chance.random((500, 500)) < (0.2 - points / 2) / (0.8 - points / 2))
        sums = [found.cumsum(axis=1)[:, 7::8] for found in (won, lost)]
        most = np.vectorize(e_value)(*sums).max(axis=1)
        shares[points] = float((most >= ENOUGH).mean())
    assert shares[0.0] <= 0.05 and shares[0.15] > 0.9


def test_by_hand() -> None:
    assert (
        e_value(0, 0) == 1.0 and e_value(1, 0) == pytest.approx(1.0) and e_value(1, 1) == pytest.approx(0.5)
    )
    assert e_value(3, 0) == pytest.approx(8 * 5 / 16) and e_value(4000, 0) > 1e300
