"""The report of an ablation with adaptive seeds: its looks, and the interval that they allow."""

from __future__ import annotations

import pytest

from db import plans, queries, rounds
from db.engine import Database
from db.store import ArtifactStore
from experiments.design.rounds import play_round
from experiments.proposal import propose
from experiments.reconvla.named_config import load_config
from experiments.reconvla.report.parts.looks import Looks
from reports.document import to_json
from reports.html import render_html
from reports.summary import summarise
from tests.experiments.reconvla.report.gathered import gather_report
from tests.judged import end
from tests.reports.samples import part
from tests.support import NOW

SETTINGS = (
    "arms=[baseline, recon]", "seeds={adaptive: {max: 4, margin: 30, measure: success_1}}",
    "evaluation.sequences=100", "evaluation.sequences_per_shard=50",
)  # fmt: skip
#: Of the baseline and of the other, seed by seed.
POINTS = {"baseline": (30, 70, 50, 40), "recon": (50, 80, 40, 75)}


def results(arm: str, seed: int) -> list[int]:
    points = POINTS[arm][seed]
    return [1] * points + [0] * (100 - points)


def test_it_says_what_the_events_say(database: Database, store: ArtifactStore) -> None:
    plan = propose(load_config("smoke", None, SETTINGS), database).plan
    plans.submit(database, plan, "test", NOW)
    for _ in range(2):
        end(database, 1, results)
        (row,) = rounds.waiting(database)
        play_round(database, row, NOW)
    end(database, 1, results)
    data = gather_report(database, store, None)
    document = to_json(data)
    adaptive = document["adaptive"]
    events = [dict(event.data or {}) for event in queries.events(database) if event.kind == "look"]
    (arm,) = adaptive["arms"]
    assert (arm["verdict"], arm["seeds"]) == ("undecided", 4) == (events[-1]["verdict"], events[-1]["seeds"])
    assert list(arm["interval"]) == events[-1]["interval"] and len(arm["looks"]) == 2
    assert arm["difference"] == events[-1]["difference"] == pytest.approx(13.75)
    assert adaptive["bounds"] == list(part(data, Looks).rules.bounds) and adaptive["max"] == 4
    assert (document["baseline"], document["primary_measure"]) == ("baseline", "success_1")
    assert data.looks == (), "they were planned, nobody added seeds by hand"
    page = render_html(data, summarise(data))
    assert "not decided by the last look" in page and "+13.8" in page


def test_named_seeds_have_no_looks(database: Database, store: ArtifactStore) -> None:
    plans.submit(database, propose(load_config("smoke"), database).plan, "test", NOW)
    data = gather_report(database, store, None)
    assert to_json(data)["adaptive"] is None
    assert part(data, Looks).view(data, summarise(data)) is None
