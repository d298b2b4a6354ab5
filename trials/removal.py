"""Everything that removes something, in every wrong circumstance: what a living home needs is still there.

    python -m trials.removal [--json FILE]

A small home with checkpoints, results and things in between is made once. For every circumstance (another state, an
empty, damaged or older one, two homes on one store, ...) and every command that removes files or rows, a copy of it is
brought into that circumstance and the command is run. Then every artifact that a living home still needs must have its
bytes, and the command must have ended with one of its exit codes and not in a traceback. What only the ablation has
that `ablation remove` is told to remove is needed by nobody. `sound`: circumstances in which nothing is wrong, where
the command must succeed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import cli
from db.engine import Database
from db.migrate import open_state
from db.queries import find_jobs
from db.retention import NEEDED, producers, rule_of, verdicts
from db.store import file_sha256
from settings.home import Home
from tests.support import RETENTION
from trials import RESULTS, keep
from trials.circumstances import SOUND, WRONG, Case, Masters, masters_in
from trials.circumstances.masters import SPARE
from workers.space import Space


def _automatic(home: Path) -> int:
    """As `up` does it on a disk that is nearly full."""
    database = open_state(Home(home))
    Space(database, Home(home), free_share=lambda _home: 0.01).check()
    database.close()
    return 0


#: name -> arguments after `--home HOME`; `{bundle}` and `{early_bundle}` stand for files.
COMMANDS: Mapping[str, Sequence[str]] = {
    "gc": ("artifacts", "gc"),
    "gc --spent": ("artifacts", "gc", "--spent"),
    "adopt": ("artifacts", "adopt"),
    "verify": ("artifacts", "verify"),
    "ablation remove": ("ablation", "remove", SPARE, "--yes"),
    "cancel": ("cancel", "--job", "train"),
    "retry": ("retry", "--job", "train"),
    "bundle import": ("bundle", "import", "{bundle}"),
    "bundle import, older": ("bundle", "import", "{early_bundle}"),
    "bundle export": ("bundle", "export", "{folder}/out.bundle"),
    "status": ("status",),
    "events": ("events",),
    "tensorboard": ("tensorboard", "--once"),
}


AUTOMATIC = "automatic gc"


@dataclass(frozen=True)
class Outcome:
    """lost: artifacts that a living home needs and that have no bytes any more. code: None for a traceback."""

    code: int | None
    said: str
    lost: list[str]


def attempt(masters: Masters, case: Case, name: str) -> Outcome:
    """Run a command in its circumstance, and look."""
    needed = _needed(case)
    out, err = io.StringIO(), io.StringIO()
    code: int | None
    with (
        mock.patch.dict(os.environ, case.environment),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            if name == AUTOMATIC:
                code = cli.main(["--home", str(case.home), "status"])
                if code == 0:
                    code = _automatic(case.home)
            else:
                places = {
                    "bundle": masters.bundle,
                    "early_bundle": masters.early_bundle,
                    "folder": case.folder,
                }
                arguments = [argument.format(**places) for argument in COMMANDS[name]]
                code = cli.main(["--home", str(case.home), *arguments])
        except Exception as error:
            code = None
            err.write(f"{type(error).__name__}: {error}")
    lost = [str(path) for path, digest in needed.items() if not path.exists() or file_sha256(path) != digest]
    return Outcome(code, (err.getvalue() or out.getvalue()).strip()[-400:], lost)


def _needed(case: Case) -> dict[Path, str]:
    """What each living home needs, where it has it: path -> digest."""
    found = {}
    for root, truth in case.living:
        database = Database(f"sqlite:///{truth}")
        spare = {entry.id for entry in find_jobs(database, SPARE)}
        with database.read() as tx:
            for job_id, producer in producers(tx, rule_of(tx, RETENTION)):
                if job_id in spare:
                    continue
                judged = verdicts(producer)
                for output in producer.outputs:
                    path = root / output.path
                    if judged[output.id] == NEEDED and path.exists():
                        found[path] = path.name.split(".")[0]
        database.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "removal.json")
    options = parser.parse_args()
    cells: dict[str, dict[str, object]] = {}
    bad = 0
    with tempfile.TemporaryDirectory(prefix="baton-removal-") as temporary:
        folder = Path(temporary)
        with masters_in(folder / "masters") as masters:
            for kind, circumstances in (("sound", SOUND), ("wrong", WRONG)):
                for circumstance in circumstances:
                    of_it: dict[str, object] = {"kind": kind}
                    for name in (*COMMANDS, AUTOMATIC):
                        place = Path(tempfile.mkdtemp(dir=folder))
                        found = attempt(masters, circumstance(masters, place), name)
                        shutil.rmtree(place)
                        of_it[name] = {"code": found.code, "lost": len(found.lost)}
                        if found.lost or found.code is None:
                            bad += 1
                            print(circumstance.__name__, name, found, file=sys.stderr)
                    cells[circumstance.__name__] = of_it
                    print(circumstance.__name__, json.dumps(of_it), flush=True)
    what = (
        "artifacts that a living home needs and that a command removed, and its exit code (null: a traceback)"
    )
    found_of_all = {"circumstances": len(cells), "commands": len(COMMANDS) + 1, "bad": bad, "cells": cells}
    keep(options.json, what, found_of_all)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
