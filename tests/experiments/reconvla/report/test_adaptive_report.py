"""The report of an ablation with adaptive seeds: its looks, and the interval that they allow."""

from __future__ import annotations

import pytest

from db import plans, queries, rounds
from db.engine import Database
from experiments.design.rounds import play_round
from experiments.proposal import propose
from experiments.reconvla.named_config import load_config
from experiments.reconvla.report.adaptive import adaptive_looks
from reports.data import RunReport
from reports.document import to_json
from reports.html import render_html
from reports.summary import summarise
from tasks.job_records import records_of_jobs
from tests.judged import end
from tests.reports.samples import made
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


def test_it_says_what_the_events_say(database: Database) -> None:
    plan = propose(load_config("smoke", None, SETTINGS), database).plan
    plans.submit(database, plan, "test", NOW)
    for _ in range(2):
        end(database, 1, results)
        (row,) = rounds.waiting(database)
        play_round(database, row, NOW)
    end(database, 1, results)
    (row,) = queries.ablation_rows(database)
    jobs = records_of_jobs(queries.jobs_of(database, 1, ("evaluate",)))
    looks = adaptive_looks(row.config, jobs, lambda arm: f"+ {arm}")
    adaptive = looks.document()["adaptive"]
    events = [dict(event.data or {}) for event in queries.events(database) if event.kind == "look"]
    (arm,) = adaptive["arms"]
    assert (arm["verdict"], arm["seeds"]) == ("undecided", 4) == (events[-1]["verdict"], events[-1]["seeds"])
    assert list(arm["interval"]) == events[-1]["interval"] and len(arm["looks"]) == 2
    assert arm["difference"] == events[-1]["difference"] == pytest.approx(13.75)
    assert adaptive["max"] == 4 and adaptive["bounds"] == row.config["seeds"]["adaptive"]["planned"]["bounds"]
    last = looks.last_looks()["recon"]
    assert (last.seeds, last.verdict, last.margin, last.most) == (4, "undecided", 0.3, 4)
    assert [100 * edge for edge in last.interval] == pytest.approx(events[-1]["interval"])
    assert last.p_value == events[-1]["p_value"] and last.bound == events[-1]["bound"]
    data = made("adaptive", tuple(RunReport(name, 0, 5, (1, 0)) for name in POINTS), looks)
    page = render_html(data, summarise(data))
    assert "not decided by the last look" in page and "+13.8" in page and "+ recon" in page


def test_named_seeds_have_no_looks() -> None:
    looks = adaptive_looks(load_config("smoke").model_dump(mode="json"), [], str)
    data = made("named", (RunReport("recon", 0, 5, (1, 0)),), looks)
    assert (
        to_json(data)["adaptive"] is None
        and looks.last_looks() is None
        and looks.view(data, summarise(data)) is None
    )
