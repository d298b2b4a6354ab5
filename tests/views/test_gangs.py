"""What `status` says of a job of several devices: what it has, and what it waits for."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from db import jobs
from db.engine import Database
from db.gang_standings import gang_standings
from db.jobs import Ending
from db.states import YIELDED
from settings.home import Home
from tests.db.test_gangs import Machine, of
from tests.support import NOW, ON_SQLITE, row, submit
from views.gangs import sentence
from views.status import status_document
from views.status_screen import status_screen, summary_lines


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
    assert told(database) == ["large on 8 devices: waits for its turn"], "nobody is there yet"


def shown(document: dict[str, Any]) -> str:
    console = Console(width=120, record=True, file=None)
    with console.capture() as captured:
        console.print(status_screen(document, NOW, 120))
    return captured.get()


@pytest.mark.parametrize("document", [{"home": "/h", "ablations": [], "sessions": [], "events": [], "flower": None,
                                       "tensorboard": None, "metrics": None, "workers": []}])  # fmt: skip
def test_documents_of_before_have_none(document: dict[str, Any]) -> None:
    assert "gangs" not in shown(document)
