"""What `status` says of a job of several devices: what it has, and what it waits for."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

import cli
from db import jobs, members
from db.engine import Database
from db.gang_standings import gang_standings
from db.jobs import Ending, gangs
from db.jobs.seating import Hand
from db.states import YIELDED
from experiments.reconvla.named_config import load_config
from experiments.reconvla.plan_warnings import short_slices
from settings.given import Cores
from settings.home import Home
from tests.db.test_gangs import GPU, Machine, of
from tests.support import NOW, ON_SQLITE, row, submit
from views.gangs import sentence
from views.several_devices import told_devices
from views.spans import time_left_text
from views.status import status_document
from views.status_screen import status_screen, summary_lines


class Processors(Machine):
    """The same without GPUs."""

    def join(self, number: int) -> int:
        return members.join(self.database, f"worker-gpu{number}", "cpu", self.session, NOW)

    def ring(self) -> dict[str, tuple[int, ...]]:
        hands = [Hand(worker, "here", counted=False) for worker in self.workers]
        rung = gangs.ring_seated(self.database, GPU, hands, NOW)
        return {row.label: tuple(self.workers.index(worker) for worker in workers) for row, workers in rung}


def told(database: Database) -> list[str]:
    return [sentence(gang) for gang in gang_standings(database)]


@ON_SQLITE
def test_what_it_has_and_what_it_waits_for(database: Database, home: Home) -> None:
    submit(database, of("small"))
    here = Machine(database, 2)
    here.ring()
    small = here.claim("small", 0)
    assert small is not None and told(database) == []
    submit(database, of("large", 2), of("larger", 3), key="more")
    assert told(database) == [
        "large on 2 devices: waits for its turn",
        "larger on 3 devices: waits for a machine with 3 GPUs; none here has more than 2",
    ]
    here.ring()
    here.come("large", 1)
    assert told(database)[0] == "large on 2 devices: waits for worker-gpu0 (small)"
    document = status_document(home, database)
    workers = {worker["name"]: worker["set_aside_for"] for worker in document["workers"]}
    assert workers == {"worker-gpu0": None, "worker-gpu1": "large"}
    (large, larger) = document["gangs"]
    assert (large["fits"], larger["fits"]) == (True, False)
    assert [line for line in summary_lines(document) if "devices" in line] == [larger["sentence"]]
    assert (large["job"], large["devices"], len(large["seats"])) == ("large", 2, 2)
    assert large["seats"][0]["does"] == "small" and not large["seats"][0]["there"]
    jobs.give_back(database, small, Ending(YIELDED, 3), NOW)
    assert told(database)[0] == "large on 2 devices: waits for worker-gpu0"
    assert here.come("large", 0) is not None
    assert told(database)[0] == "large on 2 devices: runs on worker-gpu0, worker-gpu1"
    assert "set aside for large" in shown(status_document(home, database))
    jobs.pause(database, jobs.Target("job", row(database, "larger").id, "larger"), NOW)
    assert len(told(database)) == 1, "what is paused waits for people"


@ON_SQLITE
def test_a_processor_takes_any_number(database: Database) -> None:
    submit(database, of("large", 8))
    assert told(database) == ["large on 8 devices: waits for workers; none is here"]
    here = Processors(database, 2)
    assert told(database) == ["large on 8 devices: waits for its turn"]
    assert here.ring() == {"large": (0, 1)}
    here.began("large", (0, 1))
    assert told(database) == [
        "large on 8 devices: runs on worker-gpu0, worker-gpu1, whose processor 8 ranks share"
    ]


@ON_SQLITE
def test_no_time_is_told_of_what_lacks_devices(database: Database, home: Home) -> None:
    submit(database, of("large", 3), key="first")
    submit(database, of("small", 2), key="second")
    Machine(database, 2)
    document = status_document(home, database)
    first, second = (entry["time_left"] for entry in document["ablations"])
    assert (first["low_seconds"], second["low_seconds"]) == (None, 0)
    assert time_left_text(first, workers=True) == "time left: no worker for some jobs"


@pytest.mark.parametrize(
    ("gpus", "devices", "says"),
    [
        (0, 2, "2: a machine with GPUs needs as many of them; on one without they are ranks that share the processor"),
        (0, 16, "this one has 2 cores, fewer than 16: slower than one device"),
        (2, 2, "training.devices is 2, and a machine here has 2 GPUs"),
        (1, 2, "training.devices is 2, and no machine here has more than 1 GPU: it waits for one that has as many"),
    ],
)  # fmt: skip
@ON_SQLITE
def test_what_is_asked_for_is_told_beside_what_is_here(
    database: Database,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    gpus: int,
    devices: int,
    says: str,
) -> None:
    """By `plan` and by submitting."""
    monkeypatch.setattr("settings.given.cores", lambda: Cores(2, 2, ""))
    Machine(database, gpus)
    words = ["--preset", "smoke", "--arms", "baseline", "--set", f"training.devices={devices}"]
    assert cli.main(["--home", str(home.root), "plan", *words]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("devices: "))
    assert says in line
    assert cli.main(["--home", str(home.root), "submit-ablation", *words, "--detach"]) == 0
    said = capsys.readouterr().err
    assert says in said
    slices = "warning: training.slice_seconds: 4, and each slice of"
    assert slices in said


def test_one_device_is_told_of_nowhere() -> None:
    assert told_devices(load_config("smoke"), None) == []
    assert list(short_slices({"training": load_config("smoke").training})) == []


def shown(document: dict[str, Any]) -> str:
    console = Console(width=120, record=True, file=None)
    with console.capture() as captured:
        console.print(status_screen(document, NOW, 120))
    return captured.get()


@pytest.mark.parametrize("document", [{"home": "/h", "ablations": [], "sessions": [], "events": [], "flower": None,
                                       "tensorboard": None, "metrics": None, "workers": []}])  # fmt: skip
def test_documents_of_before_have_none(document: dict[str, Any]) -> None:
    assert "gangs" not in shown(document)
