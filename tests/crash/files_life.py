"""Every file that is written outside of the store, an ablation's removal and a collection: done by one process, and by
the next that finds what a dead one left."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from sqlalchemy import select

from db import events, garbage, jobs, naming, queries, removal, verification
from db.bundle.archive import read_manifest
from db.bundle.export import export
from db.engine import Database
from db.migrate import open_state
from db.store import ArtifactStore
from reports import write as report
from settings.home import Home
from settings.secret import secret_in
from tasks.evaluate.results_file import ResultsFile
from tests.support import RETENTION, planned, row, stored, submit
from tests.workshop import Workshop
from views.addresses import note_address
from workers.pulse import Pulse
from workers.troubles import tell_troubles, troubles_of

ABOUT = {"policy": "p"}
SEQUENCES = 3

#: What a report says is not the point, and drawing it takes seconds.
_REPORT = {
    "summarise": lambda _: SimpleNamespace(comparisons=True),
    "to_json": lambda *_: {"figures": 1},
    "render_html": lambda *_: "<html>",
    "table_csv": lambda _: "a,b\n",
    "table_png": lambda *_: b"png" * 1000,
    "table_latex": lambda *_: "tex",
    "results_csv": lambda _: "r\n",
    "comparisons_csv": lambda _: "c\n",
    "comparisons_png": lambda _: b"png",
    "comparisons_latex": lambda _: "tex",
    "figure_files": lambda *_: {"figure-success.svg": b"svg"},
}


#: An ablation that shares its first job with the other, and the file of its own job with nobody.
REMOVED = (planned("ingest", kind="ingest"), planned("judged", ["ingest"], kind="evaluate"))


def found(home: Home) -> None:
    """A home with superseded checkpoints, bytes that no row names, what dead processes left in scratch, and an ablation
    to remove."""
    workshop = Workshop(home.root)
    workshop.submit()
    workshop.finish_until("train")
    submit(workshop.database, *REMOVED, key="removed")
    workshop.finish("judged")
    claim = workshop.claim("train")
    for step in (1, 2, 3, 4):
        workshop.publish(claim, step)
    workshop.finish("train", claim)
    stored(workshop.store, home.root, "orphan", b"of an attempt that died before its row")
    for name in (f"{claim.job_id}-{claim.lease_token}-1", "export-1"):
        (home.scratch / name).mkdir()
        (home.scratch / name / "half").write_bytes(b"half")
    workshop.close()
    asked(home).mkdir()
    (home.root / "home.yaml").write_text("{}\n")


def asked(home: Home) -> Path:
    """Where a user asks for files."""
    return home.root / "asked"


def go_on(home: Home) -> None:
    """One process writes all that is not there yet. Each part may have been done before."""
    database = open_state(home)
    store = ArtifactStore(home)
    secret_in(home.run / "flower.password", lambda: "correct horse")
    note_address(home, "flower", "http://here:1")
    tell_troubles(home, ["the disk is full"])
    Pulse(home, "scheduler").beat()
    results = ResultsFile(asked(home) / "results.jsonl", ABOUT)
    done = {entry["sequence"] for entry in results.entries}
    for sequence in range(SEQUENCES):
        if sequence not in done:
            results.add({"sequence": sequence, "done": 0, "tasks": []})
    with patch.multiple(report, **_REPORT):
        report.write_report(None, asked(home) / "report")  # type: ignore[arg-type]
    _remove(database, home)
    garbage.collect(database, home, RETENTION, time.time(), wait_seconds=0.1)
    target = asked(home) / "home.bundle"
    if not target.exists():
        export(database, home, RETENTION, target, None, time.time())
    with database.write() as tx:
        events.record(tx, time.time(), "bundle", "written")
    assert store.absent(path for path in _paths(home)) == []
    database.close()


def _remove(database: Database, home: Home) -> None:
    """Whoever finds the ablation finds all of it."""
    for about in naming.meant(database, "removed"):
        rows_ = queries.jobs_of(database, about.id)
        assert [entry.label for entry in rows_] == [entry.label for entry in REMOVED], rows_
        assert len(queries.artifacts_of(database, about.id)) == len(REMOVED)
        gone = removal.remove(database, home, None, about.id, time.time())
        garbage.collect_files(database, home, gone.goes.files.keys(), time.time(), wait_seconds=0.1)


def broken_promises(home: Home) -> list[str]:
    """What does not hold of a home that has come to its end."""
    wrong = []
    folder = asked(home)
    if secret_in(home.run / "flower.password", lambda: "another") != "correct horse":
        wrong.append("the password is another")
    if (home.run / "flower.password").stat().st_mode & 0o077:
        wrong.append("the password is for all to read")
    if (home.run / "flower.url").read_text() != "http://here:1":
        wrong.append("the note of the address is not whole")
    troubles_of(home)
    lines = [f'{{"sequence": {number}, "done": 0, "tasks": []}}' for number in range(SEQUENCES)]
    written = (folder / "results.jsonl").read_text().splitlines()
    if written != ['{"evaluation": {"policy": "p"}}', *lines]:
        wrong.append(f"results {written}")
    for name, length in {"table.png": 3000, "report.html": 6, "report.json": 18, "table.tex": 3}.items():
        if (folder / "report" / name).stat().st_size != length:
            wrong.append(f"{name} has another length")
    with (folder / "home.bundle").open("rb") as stream:
        read_manifest(stream, (folder / "home.bundle").stat().st_size)
    wrong += [f"left behind: {path}" for path in home.root.rglob(".partial*")]
    return wrong + _state_and_store(home)


def _state_and_store(home: Home) -> list[str]:
    database, wrong = open_state(home), []
    store = ArtifactStore(home)
    if row(database, "train").state != "succeeded":
        wrong.append("a success is lost")
    if naming.meant(database, "removed") or queries.find_jobs(database, "judged"):
        wrong.append("something is left of what was removed")
    garbage.collect(database, home, RETENTION, time.time())
    bad = [
        entry.path
        for entry in verification.verify(database, store, RETENTION)
        if entry.state in verification.BAD
    ]
    database.close()
    lying = {str(path.relative_to(home.root)) for path in home.artifacts.glob("??/*")}
    if bad or lying != _paths(home):
        wrong.append(
            f"damaged {bad}; bytes without rows or rows without bytes {sorted(lying ^ _paths(home))}"
        )
    if list(home.scratch.iterdir()):
        wrong.append(f"left in scratch: {[path.name for path in home.scratch.iterdir()]}")
    return wrong


def _paths(home: Home) -> set[str]:
    database = open_state(home)
    with database.read() as tx:
        found_ = set(tx.execute(select(jobs.artifact.c.path)).scalars())
    database.close()
    return found_


def digests(home: Home) -> list[str]:
    """What names the bytes that matter."""
    return sorted(_paths(home))
