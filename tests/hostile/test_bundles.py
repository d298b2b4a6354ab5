"""Bundles of strangers by the command, and what a home does with what was let in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cli
from db.bundle.receive import Imported, receive
from db.migrate import open_state
from experiments.foreign import ForeignJobs
from settings.home import Home
from tests.db.bundle.conftest import content, take_out
from tests.db.bundle.conftest import sealed as sealed
from tests.db.bundle.forge import Parts, forged
from tests.hostile.sentences import LONGEST_SENTENCE
from tests.workshop import Workshop, files_of
from views.event_files import EventFiles, event_folder

pytestmark = pytest.mark.timeout(120)


def bring_in(home: Home, bundle: Path) -> Imported:
    return receive(home, bundle, 1e9, ForeignJobs(home.artifacts))


def told(parts: Parts, table: str, column: str, value: dict[str, Any], where: str) -> None:
    text = json.dumps(value).replace("'", "''")
    parts.sql(f"UPDATE {table} SET {column} = '{text}' WHERE {where}")


def test_a_home_that_took_a_bundle_in_names_no_program_of_it(
    sealed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    marker = tmp_path / "ran"
    (program := tmp_path / "program").write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o700)

    def change(parts: Parts) -> None:
        weights = {"stages": None, "interval": 8, "weights": "/nowhere/x.pth", "python": str(program)}
        spec = {"detector": "groundingdino_py", "options": weights, "number": 1, "version": "1"}
        told(parts, "job", "spec", spec, "kind = 'gaze'")
        told(parts, "ablation", "config", {"gaze": {"python": str(program)}}, "1")

    home = tmp_path / "new"
    bundle = forged(sealed, tmp_path, change)
    assert cli.main(["--home", str(home), "bundle", "import", "--json", str(bundle)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["left_out"] == [str(program)]
    assert err.count("\n") == 1 and "was left out" in err and "BATON_GROUNDINGDINO_PYTHON" in err
    database = open_state(Home(home))
    with database.read() as tx:
        rows = tx.exec_driver_sql("SELECT spec FROM job UNION ALL SELECT config FROM ablation").fetchall()
        events = tx.exec_driver_sql("SELECT message FROM event").fetchall()
    database.close()
    assert not [text for (text,) in rows if str(program) in text]
    assert [text for (text,) in events if str(program) in text]
    for words in (["status"], ["status", "--json"], ["report"], ["events"], ["artifacts"]):
        assert cli.main(["--home", str(home), *words]) in (0, 2)
        assert "Traceback" not in capsys.readouterr().err
    assert not marker.exists()


COMMANDS: dict[str, Callable[[Parts], None]] = {
    "settings": lambda parts: told(parts, "ablation", "config", {"x" * 900: 1}, "1"),
    "parameters": lambda parts: told(parts, "job", "spec", {"seed": 10**12}, "kind = 'train'"),
    "a time": lambda parts: parts.sql("UPDATE event SET at = 9e999"),
    "a text": lambda parts: parts.sql("UPDATE event SET message = CAST(x'ff' AS TEXT)"),
}


@pytest.mark.parametrize("case", COMMANDS)
@pytest.mark.parametrize("into", ["nothing", "a home"])
def test_a_command_refuses_it_and_the_home_is_as_it_was(
    case: str,
    into: str,
    sealed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = Home(tmp_path / "home")
    if into == "a home":
        Workshop(home.root).close()
    before = content(home)
    bundle = forged(sealed, tmp_path, COMMANDS[case])
    assert cli.main(["--home", str(home.root), "bundle", "import", str(bundle)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and len(err) < LONGEST_SENTENCE
    assert content(home) == before and home.root.exists() == (into == "a home")


FIGURES: dict[str, Callable[[Parts], None]] = {
    "a result": lambda parts: told(parts, "job", "result", {"mode": "closed_loop", "results": 3}, "1"),
    "results of sequences": lambda parts: told(
        parts, "job", "result", {"mode": "open_loop", "results": [{"sequence": "x"}]}, "1"
    ),
    "parameters of a shard": lambda parts: told(
        parts, "job", "spec", {"mode": "closed_loop", "videos": 3}, "kind = 'evaluate'"
    ),
    "an environment": lambda parts: told(
        parts, "attempt", "environment", {"threads": "x", "variables": 3, "gpu": [1]}, "1"
    ),
    "names of artifacts": lambda parts: parts.sql("UPDATE artifact SET name = '../' || id"),
    "labels": lambda parts: parts.sql("UPDATE job SET label = 'ingest'", "UPDATE ablation SET name = '['"),
    "what was learned": lambda parts: told(parts, "job", "learned", {"micro_batch": "x"}, "1"),
}


@pytest.mark.parametrize("case", FIGURES)
def test_figures_of_another_form_end_no_command_in_a_traceback(
    case: str,
    sealed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = str(tmp_path / "home")
    bundle = forged(sealed, tmp_path, FIGURES[case])
    assert cli.main(["--home", home, "bundle", "import", str(bundle)]) == 0
    capsys.readouterr()
    looks = [["status"], ["status", "--json"], ["report"], ["events"], ["artifacts"]]
    if case == "an environment":
        looks.append(["audit", "--slices", "0", "--others", "1"])
    for words in looks:
        code = cli.main(["--home", home, *words])
        err = capsys.readouterr().err
        assert code in (0, 1, 2, 3) and "Traceback" not in err
        assert code in (0, 1) or (err.startswith("error: ") and err.count("\n") == 1)
    assert cli.main(["--home", home, "bundle", "export", "--since", "last", str(tmp_path / "on")]) == 0


def test_an_arm_is_no_path_to_whoever_writes_files_by_it(tmp_path: Path) -> None:
    """Also in a home that was imported before arms were looked at."""
    workshop = Workshop(tmp_path / "home")
    workshop.submit()
    with workshop.database.write() as tx:
        tx.exec_driver_sql(
            "INSERT INTO run (ablation_id, arm, seed, train_job_id, intent) VALUES (1, '../../../x', 0, 5, 'active')"
        )
        tx.exec_driver_sql("INSERT INTO metric VALUES (5, 'loss', 1, 1.0, 1.0)")
    (tmp_path / "x-seed0").mkdir()
    files = EventFiles(event_folder(workshop.home), workshop.database)
    assert files.update() == 1
    files.close()
    assert (tmp_path / "x-seed0").is_dir() and not list((tmp_path / "x-seed0").iterdir())
    assert not [
        path for path in tmp_path.rglob("events.out*") if event_folder(workshop.home) not in path.parents
    ]
    workshop.close()


def test_a_bundle_that_was_let_in_travels_on(sealed: Path, tmp_path: Path) -> None:
    one, two = Home(tmp_path / "one"), Home(tmp_path / "two")
    bring_in(one, sealed)
    take_out(one, tmp_path / "on.bundle")
    bring_in(two, tmp_path / "on.bundle")
    assert {path for path in files_of(two) if "artifacts" in path} == {
        path for path in files_of(one) if "artifacts" in path
    }
