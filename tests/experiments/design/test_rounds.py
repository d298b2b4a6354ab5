"""Rounds in a home: decided once, in one transaction with the jobs that follow, whoever is interrupted or killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from db import jobs, plans, queries, rounds, standings
from db.engine import Database
from db.statements import job
from db.states import READY
from errors import ConfigError
from experiments.design.rounds import play_round
from experiments.proposal import propose
from experiments.reconvla.named_config import load_config
from tests.judged import Results, end
from tests.support import NOW, event_kinds

SETTINGS = (
    "arms=[baseline, recon]",
    "seeds={adaptive: {max: 6, margin: 25, measure: success_1}}",
    "evaluation.sequences=100",
    "evaluation.sequences_per_shard=50",
)


def submit(database: Database, settings: tuple[str, ...] = SETTINGS) -> plans.Submitted:
    found = propose(load_config("smoke", None, settings), database)
    return plans.submit(database, found.plan, "test", NOW, found.there if found.grows else None)


def results(*points: int) -> Results:
    """Of the baseline's and of the other's models in turn, in points, and again from the beginning."""

    def of_model(arm: str, seed: int) -> list[int]:
        first = points[(2 * seed + (arm == "recon")) % len(points)]
        return [1] * first + [0] * (100 - first)

    return of_model


#: A clear difference, and one that no six seeds decide.
BETTER, SCATTERED = results(50, 80, 52, 83, 47, 79), results(30, 50, 70, 80, 50, 40)


def seeds(database: Database) -> dict[str, int]:
    found: dict[str, int] = {}
    for run in queries.runs_of(database, 1):
        found[run.arm] = found.get(run.arm, 0) + 1
    return found


def looks(database: Database) -> list[dict[str, Any]]:
    return [dict(event.data or {}) for event in queries.events(database) if event.kind == "look"]


def state(database: Database) -> str:
    (found,) = standings.standing(database).ablations
    return found.state


def play(database: Database) -> list[str | None]:
    return [play_round(database, row, NOW) for row in rounds.waiting(database)]


def test_a_clear_difference_ends_it_at_the_first_look(database: Database) -> None:
    submit(database)
    assert rounds.waiting(database) == [] and play(database) == []
    end(database, 1, BETTER, reports=False)
    assert rounds.waiting(database) == [], "its report is to come"
    end(database, 1, BETTER)
    assert state(database) == "running" and standings.open_ablations(database), "nobody takes it for done"
    (sentence,) = play(database)
    assert sentence is not None and "recon after 3 seeds: better than the baseline" in sentence
    (look,) = looks(database)
    assert (look["arm"], look["verdict"], look["seeds"]) == ("recon", "better", 3)
    assert look["interval"][0] > 0 and look["p_value"] <= look["bound"]
    assert seeds(database) == {"baseline": 3, "recon": 3} and play(database) == []
    end(database, 1, BETTER)  # the report of it
    assert state(database) == "succeeded"


def test_seeds_are_added_until_it_is_decided(database: Database) -> None:
    submit(database)
    for number in (3, 4, 5, 6):
        assert seeds(database) == {"baseline": number, "recon": number}
        end(database, 1, SCATTERED)
        play(database)
    end(database, 1, SCATTERED)
    assert [(look["seeds"], look["verdict"]) for look in looks(database)] == [
        (3, "open"), (4, "open"), (5, "open"), (6, "undecided")
    ]  # fmt: skip
    assert (state(database), play(database)) == ("succeeded", [])
    assert "ablation_grew" in event_kinds(database)
    submit(database)
    assert (state(database), seeds(database)["recon"]) == ("succeeded", 6), "submitted again it is as it was"


def test_two_schedulers_decide_once(database: Database) -> None:
    submit(database)
    end(database, 1, SCATTERED)
    (row,) = rounds.waiting(database)
    assert play_round(database, row, NOW) is not None and play_round(database, row, NOW) is None
    assert len(looks(database)) == 1 and seeds(database)["recon"] == 4


def test_whoever_dies_in_the_middle_has_decided_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every statement of the transaction that adds the jobs and the decision."""
    submit(database)
    end(database, 1, SCATTERED)
    before = (seeds(database), queries.ablation_rows(database), event_kinds(database))

    class Killed(BaseException):
        pass

    for name, place in (("record", rounds.events), ("submit_in", plans), ("_runs", plans), ("_stop", plans)):

        def die(*_: object, **__: object) -> None:
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(place, name, die)
            with pytest.raises(Killed):
                play(database)
        assert (seeds(database), queries.ablation_rows(database), event_kinds(database)) == before
    play(database)
    assert len(looks(database)) == 1 and seeds(database)["recon"] == 4


def test_a_job_that_is_to_be_done_again_is_waited_for(database: Database) -> None:
    submit(database)
    end(database, 1, BETTER)
    (row,) = rounds.waiting(database)
    (first, *_) = queries.jobs_of(database, 1)
    with database.write() as tx:
        tx.execute(update(job).where(job.c.id == first.id).values(state=READY))
    assert play_round(database, row, NOW) is None and looks(database) == []


def test_what_was_paused_or_cancelled_is_left_alone(database: Database) -> None:
    submit(database)
    end(database, 1, BETTER)
    target = jobs.Target("ablation", 1, "ablation smoke")
    jobs.pause(database, target, NOW)
    assert (rounds.waiting(database), state(database)) == ([], "paused")
    jobs.unpause(database, target, NOW)
    assert len(rounds.waiting(database)) == 1
    jobs.cancel(database, target, NOW)
    assert (rounds.waiting(database), state(database)) == ([], "cancelled")


def test_what_cannot_be_planned_any_more_is_paused_and_told(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    submit(database)
    end(database, 1, SCATTERED)

    def gone(*_: object) -> None:
        raise ConfigError("data.root: the folder is gone")

    with monkeypatch.context() as patched:
        patched.setattr("experiments.reconvla.planner.Planner.plan", gone)
        (sentence,) = play(database)
    assert sentence == "smoke: its next round cannot be planned: data.root: the folder is gone"
    assert state(database) == "paused" and "round_failed" in event_kinds(database)
    jobs.unpause(database, jobs.Target("ablation", 1, "ablation smoke"), NOW)
    play(database)
    assert (state(database), seeds(database)["recon"]) == ("running", 4)


def test_a_margin_that_no_look_could_decide_is_refused_with_the_figure(database: Database) -> None:
    narrow = "seeds={adaptive: {max: 6, margin: 2, measure: success_1%s}}"
    with pytest.raises(ConfigError, match=r"margin: 2 points in 1/5 cannot be decided with 6 seeds .* ± 1\d"):
        submit(database, settings=(SETTINGS[0], narrow % "", *SETTINGS[2:]))
    assert queries.ablation_rows(database) == []
    submit(database, settings=(SETTINGS[0], narrow % ", sd: 0.5", *SETTINGS[2:]))
    with pytest.raises(ConfigError, match="other settings"):
        submit(database)
