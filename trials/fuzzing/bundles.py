"""Mutated bundles: their manifests, the rows of their states, their bytes. What is let in, a home must live with."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.own_code import DETECTOR
from tests.support import RETENTION
from trials.fuzzing.mutations import changed_bytes, changed_value

_VALUES: tuple[Any, ...] = (
    None, 0, -1, 2**31, 2**63 - 1, -(2**63), 1.5, float("inf"), -1e300, "", "x", "x" * 3000, "a\nb\x1b[2J", "../../x",
    b"\xff\xfe", "{}", "[]", "[" * 200, '{"a": NaN}', "succeeded", "running",
)  # fmt: skip
_LOOKS = (("status", "--json"), ("status",), ("logs", "train"), ("artifacts", "verify"))


#: Seeds that are planned by looks; and a detector and a policy that travel as source.
_ROUNDS = "{arms: [baseline, recon, recon_pretrain], seeds: {adaptive: {max: 6, margin: 0.9}}}"
_CODE = """
arms:
  baseline: null
  recon: null
  mine: {base: recon, set: {gaze.detector: "mine:Mine"}}
  still: {policy: {kind: own, class: "mine:Mine"}}
"""


class Bundles:
    name = "bundles"
    readers = ("db/bundle/*.py", "db/soundness.py", "db/ownership.py", "db/code.py",
               "experiments/reconvla/foreign*.py", "experiments/reconvla/adaptive.py",
               "experiments/reconvla/seeds.py", "settings/code_source.py")  # fmt: skip

    def __init__(self, folder: Path) -> None:
        from errors import BatonError

        self._folder = folder
        self._bundles = [_of_a_workshop(folder)]
        for name, text in (("rounds", _ROUNDS), ("code", _CODE)):
            self._bundles.append(_of_a_plan(folder / name, text))
        for bundle in self._bundles:
            try:
                self._take_in(random.Random(0), bundle)
            except BatonError as error:
                raise AssertionError(f"{bundle} is sound, and refused: {error}") from None

    def meet(self, draw: random.Random) -> None:
        bundle = self._folder / "changed.bundle"
        self._write_changed(draw, draw.choice(self._bundles), bundle)
        self._take_in(draw, bundle)

    def _take_in(self, draw: random.Random, bundle: Path) -> None:
        from db.bundle.receive import receive
        from experiments.foreign import ForeignJobs
        from settings.home import Home

        root = self._folder / "new"
        shutil.rmtree(root, ignore_errors=True)
        try:
            receive(Home(root), bundle, time.time(), ForeignJobs(root / "artifacts"))
        except Exception:
            if root.exists():
                raise AssertionError("a home was left behind by a bundle that was refused") from None
            raise
        self._look(draw, root)

    def _write_changed(self, draw: random.Random, sound: Path, bundle: Path) -> None:
        from tests.db.bundle.forge import parts_of

        if draw.random() < 0.25:
            bundle.write_bytes(changed_bytes(draw, sound.read_bytes(), near=(0, 512)))
            return
        parts = parts_of(sound)
        if draw.random() < 0.3:
            parts.manifest = changed_value(draw, parts.manifest)
            parts.write(bundle, json.dumps(parts.manifest).encode())
            return
        state = self._folder / "changed.db"
        state.write_bytes(parts.state)
        arrived = _change_rows(draw, state)
        parts.state = state.read_bytes()
        parts.restate()
        if arrived is not None:
            parts.manifest["history"][-1]["facts_arrived"] = arrived
        parts.write(bundle)

    def _look(self, draw: random.Random, root: Path) -> None:
        import cli

        words = draw.choice(_LOOKS)
        result = CliRunner().invoke(cli.cli, ["--home", str(root), *words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception


def _of_a_workshop(folder: Path) -> Path:
    """In the middle of its training."""
    from db.bundle.export import export
    from tests.workshop import Workshop

    workshop = Workshop(folder / "home")
    workshop.submit()
    workshop.finish_until("train")
    workshop.publish(workshop.claim("train"), 1)
    workshop.stop("train")
    export(workshop.database, workshop.home, RETENTION, folder / "workshop.bundle", None, time.time())
    workshop.close()
    return folder / "workshop.bundle"


def _of_a_plan(folder: Path, config: str) -> Path:
    """Nothing of it was done."""
    import cli

    folder.mkdir()
    (folder / "mine.yaml").write_text(config)
    (folder / "mine.py").write_text(f"import beside\n{DETECTOR}\n    act = beside.act\n")
    (folder / "beside.py").write_text(
        "def act(self, queries):\n    return [[[0, 0, 0, 0, 0, 0, 1]] for _ in queries]\n"
    )
    bundle = folder / "plan.bundle"
    submit = ("submit-ablation", "--preset", "smoke", "--config", str(folder / "mine.yaml"), "--detach")
    for words in (submit, ("bundle", "export", str(bundle))):
        result = CliRunner().invoke(cli.cli, ["--home", str(folder / "home"), *words])
        if result.exit_code:
            raise AssertionError(f"{words}: {result.output}") from result.exception
    return bundle


def _change_rows(draw: random.Random, state: Path) -> str | None:
    """One to three values of the state are others. The digest of its facts then, where there still is one."""
    from db.bundle import lineage

    with closing(sqlite3.connect(state)) as connection:
        named = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        tables = sorted(name for (name,) in named)
        for _ in range(draw.randint(1, 3)):
            table = draw.choice(tables)
            rows = [row for (row,) in connection.execute(f'SELECT rowid FROM "{table}"')]
            columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
            if not rows:
                continue
            column, row = draw.choice(columns), draw.choice(rows)
            try:
                _change(draw, connection, table, column, row)
            except (sqlite3.IntegrityError, sqlite3.OperationalError):
                continue  # the schema forbids it, or it is no text any more
        try:
            arrived = lineage.facts(connection.execute)
            connection.execute(
                "UPDATE handover SET facts_arrived = ? WHERE id = (SELECT max(id) FROM handover)", (arrived,)
            )
        except sqlite3.Error:
            arrived = None
        connection.commit()
    return arrived


def _change(draw: random.Random, connection: sqlite3.Connection, table: str, column: str, row: int) -> None:
    (held,) = connection.execute(f'SELECT "{column}" FROM "{table}" WHERE rowid = ?', (row,)).fetchone()
    value = draw.choice(_VALUES)
    if isinstance(held, str) and held[:1] in ("{", "[") and draw.random() < 0.7:
        with suppress(ValueError):  # changed before, and no JSON any more
            value = json.dumps(changed_value(draw, json.loads(held)))
    if isinstance(value, bytes):  # a text that is none
        connection.execute(f'UPDATE "{table}" SET "{column}" = CAST(? AS TEXT) WHERE rowid = ?', (value, row))
    else:
        connection.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = ?', (value, row))
