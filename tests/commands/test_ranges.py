"""Numbers as they are typed: one that no state, machine or clock holds is one sentence with exit code 2."""

from __future__ import annotations

import pytest

from cli import main
from db.engine import Database
from settings.home import Home
from tests.support import planned, states, submit

FAR = "99999999999999999999999"


@pytest.mark.parametrize(
    "words",
    [
        *(("pause", name) for name in ("²", "１", FAR, "9" * 5000)),
        *(("logs", name) for name in ("²", "１", FAR, "9" * 5000)),
        ("retry", "--job", "²"),
        ("status", FAR),
        ("report", "²"),
        ("cancel", "--run", FAR),
        ("artifacts", "--run", FAR),
        ("events", "--limit", FAR),
        ("audit", "--slices", "²"),
        ("up", "--cpus", FAR),
        ("up", "--gpus", FAR),
        ("up", "--gpus", "9" * 5000),
        *(("status", "--interval", text) for text in ("nan", "inf", "1e300")),
        *(("evaluate", "http://127.0.0.1:9", "--server-timeout", text) for text in ("nan", "inf", "1e300")),
        ("evaluate", "expert", "--simulators", FAR),
        ("evaluate", "expert", "--threads", FAR),
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_a_number_that_nothing_holds_is_one_sentence(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    submit(database, planned("a"), key="mine")
    before = states(database)
    assert main(["--home", str(home.root), *words]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and told.count("\n") == 1 and len(told) < 600, told
    assert states(database) == before
