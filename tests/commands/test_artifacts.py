"""`artifacts`, `artifacts verify` and `artifacts gc`."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import cli
from commands.artifacts import _made_by
from db import plans, queries
from db.migrate import open_state
from db.plans import Plan
from detectors.cache import shared_cache
from detectors.targets.table import BUTTON
from settings.home import Home
from tests.db.test_store import damage
from tests.detectors.made_up_finder import MadeUpFinder
from tests.detectors.test_pipeline import numbered
from tests.support import NOW, planned
from tests.terminal import in_terminal
from tests.test_docs import REPOSITORY
from tests.workshop import Workshop

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Training has published three checkpoints and yielded."""
    workshop = Workshop(tmp_path / "home")
    workshop.submit()
    workshop.finish_until("train")
    claim = workshop.claim("train")
    for step in (1, 2, 3):
        workshop.publish(claim, step)
    workshop.stop("train")
    workshop.close()
    return workshop.home


def run(capsys: Capture, *arguments: object, code: int = 0) -> str:
    capsys.readouterr()
    assert cli.main([str(argument) for argument in arguments]) == code
    return capsys.readouterr().out


def test_the_list_stays_what_it_was(home: Home, capsys: Capture) -> None:
    listed = json.loads(run(capsys, "--home", home.root, "artifacts", "--kind", "checkpoint", "--json"))
    assert {entry["kind"] for entry in listed} == {"checkpoint"} and len(listed) == 6
    assert len(run(capsys, "artifacts", "--home", home.root).splitlines()) == 10


def test_what_jobs_of_several_ablations_made_is_told_with_their_names(home: Home, capsys: Capture) -> None:
    """Where their labels are one."""
    with closing(open_state(home)) as database:
        (there,) = queries.find_jobs(database, "train")
        again = replace(planned("another key", kind="train"), label=there.label)
        plans.submit(database, Plan("other", "other", {}, [again]), "submit", NOW)
        first, _ = queries.ablation_rows(database)
    lines = run(capsys, "artifacts", "--home", home.root).splitlines()
    assert any(line.endswith(f"({first.name} train: weights)") for line in lines), lines
    assert not any("(train: " in line for line in lines)
    assert any(f"({job}: " in line for line in lines for job in ("ingest", "gaze 1")), lines


@pytest.mark.parametrize(("columns", "has_paths"), [(58, False), (80, False), (200, True)])
def test_a_terminal_without_room_for_paths_shows_what_made_them(
    home: Home, capsys: Capture, columns: int, has_paths: bool
) -> None:
    words = [sys.executable, str(REPOSITORY / "cli.py"), "--home", str(home.root), "artifacts"]
    with in_terminal(words, columns) as terminal:
        assert terminal.wait() == 0, terminal.text
    shown = terminal.text.replace("\r", "").splitlines()
    piped = run(capsys, "artifacts", "--home", home.root).splitlines()
    if has_paths:
        assert shown == piped
        return
    lines, told = shown[:10], "".join(shown[10:])
    assert max(map(len, lines)) <= columns
    name = "train: optimizer" if columns >= 80 else "…: optimizer"
    assert any(line.endswith(name) for line in lines), lines
    (found,) = home.root.glob(told.split()[4].rstrip(";"))
    assert found.name in piped[0]


@pytest.mark.parametrize(
    ("room", "says"),
    [
        (40, "train recon seed 0: figure-loss.svg"),
        (30, "train recon …: figure-loss.svg"),
        (18, "…: figure-loss.svg"),
        (17, "figure-loss.svg"),
        (15, "figure-loss.svg"),
        (10, "figure-lo…"),
    ],
)
def test_what_gives_way_to_a_narrow_terminal_leaves_a_sign(room: int, says: str) -> None:
    assert _made_by("train recon seed 0", "figure-loss.svg", room) == says and len(says) <= room


def test_verify_names_what_is_bad_and_who_makes_it_again(home: Home, capsys: Capture) -> None:
    assert run(capsys, "--home", home.root, "artifacts", "verify").startswith(
        "10 artifacts: 10 ok, 0 damaged"
    )
    document = json.loads(run(capsys, "artifacts", "--home", home.root, "verify", "--json"))
    assert (document["checked"], document["ok"]) == (10, 10)
    weights = next(e for e in document["artifacts"] if (e["name"], e["step"]) == ("weights", 3))
    damage(home.root / weights["path"])
    index = next(e for e in document["artifacts"] if e["job"] == "index")
    (home.root / index["path"]).unlink()
    lines = run(capsys, "artifacts", "verify", "--home", home.root, code=1).splitlines()
    assert lines[0].startswith("missing") and "index (job 4) makes it again from step 0" in lines[0]
    assert lines[1].startswith("damaged") and "train (job 5) makes it again from step 2" in lines[1]
    assert lines[2].startswith("10 artifacts: 8 ok, 1 damaged, 1 missing")
    document = json.loads(run(capsys, "--home", home.root, "artifacts", "verify", "--json", code=1))
    assert (document["ok"], document["damaged"], document["missing"], document["left_behind"]) == (8, 1, 1, 0)


def test_gc_frees_what_dry_run_said(home: Home, capsys: Capture) -> None:
    said = json.loads(run(capsys, "--home", home.root, "artifacts", "gc", "--dry-run", "--json"))
    assert (said["dry_run"], said["rows"], said["files"]) == (True, 2, 2) and said["bytes"] > 0
    freed = json.loads(run(capsys, "--home", home.root, "artifacts", "gc", "--json"))
    assert freed == {**said, "dry_run": False}
    (home.artifacts / "ab").mkdir(exist_ok=True)
    (home.artifacts / "ab" / "mine").write_text("mine")
    out = run(capsys, "--home", home.root, "artifacts", "gc")
    assert "removed 0 superseded checkpoint files' rows, 0 files (0 bytes)" in out
    assert "left alone, as it is not Baton's: artifacts/ab/mine" in out
    assert run(capsys, "--home", home.root, "artifacts", "verify").startswith("8 artifacts: 8 ok")


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path, capsys: Capture) -> None:
    for command in (["verify"], ["gc"], []):
        run(capsys, "--home", tmp_path / "none", "artifacts", *command, code=2)
    assert not (tmp_path / "none").exists()


def test_gc_spent_forgets_cached_gaze_answers(home: Home, capsys: Capture) -> None:
    cache = shared_cache(home.cache)
    cache.find(MadeUpFinder({}), list(numbered(3)), BUTTON, False)

    def collect(*options: str) -> int:
        return int(
            json.loads(run(capsys, "--home", home.root, "artifacts", "gc", "--json", *options))[
                "gaze_answers"
            ]
        )

    assert collect() == 0 and collect("--spent", "--dry-run") == 3 == len(cache)
    assert collect("--spent") == 3 and len(cache) == 0
    assert collect("--spent") == 0
