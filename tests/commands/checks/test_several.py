"""What `doctor` says of training over several devices."""

from __future__ import annotations

from typing import Any

import pytest

from commands.checks import several
from commands.checks.trial import Trial
from db import jobs
from db.engine import Database
from settings.given import Cores, Memory
from settings.home import Home
from tests.db.test_gangs import Machine, of
from tests.support import NOW, ON_SQLITE, row, submit

GIB = 2**30


def gpus(*gib: int) -> Trial:
    found: list[Any] = [{"fault": None, "memory_bytes": size * GIB} for size in gib]
    return Trial({}, found)


@pytest.mark.parametrize(
    ("trial", "does", "does_not"),
    [
        (gpus(80, 79), "over all 2 GPUs (79.0 GiB each) with one sample a micro-batch fits, computed: small full (",
         ""),
        (gpus(*[24] * 4), "over all 4 GPUs (24.0 GiB each)", "7b full (38.2 each)"),
        (gpus(*[24] * 8), "7b full (23.7 each)", ""),
        (gpus(141), "training.devices above 1 waits for a machine with more GPUs: this one has 1", ""),
        (gpus(), "over 2 ranks that share this machine's memory (10.0 GiB each)", "7b full (111.4 each)"),
    ],
)  # fmt: skip
def test_what_fits_over_all_devices_of_this_machine(
    trial: Trial, does: str, does_not: str, monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    pytest.importorskip("diffusers", reason="needs the extra `vae`")
    monkeypatch.setattr(several, "try_machine", lambda packages: trial)
    monkeypatch.setattr("settings.given.cores", lambda: Cores(2, 2, ""))
    monkeypatch.setattr("settings.given.memory", lambda: Memory(20 * GIB, 20 * GIB, ""))
    (found,) = several.findings(home, sound=False)
    fits, _, lacks = found.detail.partition("; does not: ")
    assert does in fits and lacks == does_not


@ON_SQLITE
def test_what_waiting_jobs_lack(home: Home, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several, "try_machine", lambda packages: gpus(80))

    def told() -> list[tuple[str, str]]:
        return [(one.state, one.detail) for one in several.findings(home, sound=True) if one.area == "home"]

    submit(database, of("large", 2), of("larger", 3))
    assert told() == [
        ("ok", "large on 2 devices: waits for workers; none is here"),
        ("ok", "larger on 3 devices: waits for workers; none is here"),
    ]
    Machine(database, 2)
    lacks = "larger on 3 devices: waits for a machine with 3 GPUs; none here has more than 2"
    assert told() == [("warning", lacks)]
    jobs.cancel(database, jobs.Target("job", row(database, "larger").id, "larger"), NOW)
    assert told() == []
