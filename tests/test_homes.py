"""Homes of other users, homes that cannot be written, and files that somebody else's command left in one's own."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import cli
from settings.home import Home
from tests.other_user import SOMEBODY, Answer, as_ordinary_user, give_to_somebody
from tests.workshop import Workshop, files_of

#: Commands that only look, with what they need beside the home.
LOOKS = (
    ("status", "--json"), ("events", "--json"), ("logs", "train", "--json"), ("artifacts", "--json"),
    ("artifacts", "verify", "--json"), ("health", "worker"),
)  # fmt: skip

#: One of each way in which commands come to write.
WRITES = (
    ("up", "--until-done"), ("retry", "ablation"), ("artifacts", "gc"),
)  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that every user may look into; pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="baton-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def home(folder: Path) -> Home:
    """Training has published a checkpoint."""
    workshop = Workshop(folder / "home")
    workshop.submit()
    workshop.finish_until("train")
    workshop.publish(workshop.claim("train"), 2)
    workshop.close()
    return workshop.home


def everything(home: Home) -> list[Path]:
    return [home.root, *home.root.rglob("*")]


def on(home: Home, *commands: tuple[object, ...]) -> list[tuple[object, ...]]:
    return [("--home", home.root, *words) for words in commands]


def look_all(home: Home, bundle: Path, **how: Path) -> dict[str, Answer]:
    commands = [*LOOKS, ("bundle", "export", bundle, "--json")]
    answers = as_ordinary_user(*on(home, *commands), **how)
    return {" ".join(map(str, words[:2])): answer for words, answer in zip(commands, answers, strict=True)}


def check_looks(answers: dict[str, Answer]) -> None:
    codes = {name: answer.code for name, answer in answers.items()}
    assert codes.pop("health worker") == 1, "no worker is at work"
    assert set(codes.values()) == {0}, answers
    assert json.loads(answers["status --json"].out)["ablations"][0]["jobs"]["succeeded"] == 4
    assert json.loads(answers["artifacts verify"].out)["ok"] == 6
    assert json.loads(answers["bundle export"].out)["recorded"] is False


def test_a_home_on_a_read_only_disk_is_looked_at_and_carried_away(
    home: Home, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(home)
    check_looks(look_all(home, folder / "bundle", read_only_disk=home.root))
    (refused,) = as_ordinary_user(*on(home, ("up",)), read_only_disk=home.root)
    assert refused.sentence.startswith(
        f"cannot write {home.root}: the file system is read-only; choose another"
    )
    assert files_of(home) == before and not list(home.root.glob("state.db-*"))
    assert cli.main(["--home", str(folder / "new"), "bundle", "import", str(folder / "bundle")]) == 0
    assert "6 artifacts" in capsys.readouterr().out


def test_somebodys_home_that_is_open_to_others_is_looked_at(home: Home, folder: Path) -> None:
    for path in everything(home):
        path.chmod(0o755 if path.is_dir() else 0o644)
    give_to_somebody(*everything(home))
    names = {path.name for path in home.root.iterdir()}
    check_looks(look_all(home, folder / "bundle"))
    for answer in as_ordinary_user(*on(home, *WRITES)):
        assert answer.sentence == (
            f"cannot write {home.root}: it belongs to user {SOMEBODY}; choose another with --home or BATON_HOME"
        )
    assert {path.stat().st_uid for path in everything(home)} == {SOMEBODY}
    assert {path.name for path in home.root.iterdir()} == names


def test_somebodys_home_that_is_closed_is_one_sentence(home: Home) -> None:
    give_to_somebody(*everything(home))
    for answer in as_ordinary_user(*on(home, *LOOKS, *WRITES)):
        assert f"{home.root}: it belongs to user {SOMEBODY}" in answer.sentence


#: What a command that another user ran once leaves, and what its owner does with such a thing.
LEFT = (
    "run/lock", "run/redis.password", "logs/redis.log", "logs/jobs/", "artifacts/.lock", "artifacts/.scratch/1-1-1/",
    "cache/gaze.sqlite", "reports/1-smoke/", "run/tmp/",
)  # fmt: skip


def test_files_that_another_users_command_left_are_named(home: Home) -> None:
    for name in LEFT:
        path = home.root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o700)
        else:
            path.touch()
            path.chmod(0o600)
    steps = [
        (
            ("chown", SOMEBODY, home.root / name),
            *on(home, ("up",), ("status",)),
            ("chown", 0, home.root / name),
        )
        for name in LEFT
    ]
    answers = as_ordinary_user(*itertools.chain(*steps))
    for name, up, status in zip(LEFT, answers[::2], answers[1::2], strict=True):
        assert up.sentence == (
            f"cannot write {home.root / name}: it belongs to user {SOMEBODY}; "
            f"take it back with: sudo chown -R root {home.root}"
        )
        assert status.code == 0


def test_artifacts_of_another_user_are_not_called_damaged(home: Home) -> None:
    file = next(home.artifacts.glob("??/*"))
    give_to_somebody(file)
    verify, up, export = as_ordinary_user(
        *on(home, ("artifacts", "verify"), ("up",), ("bundle", "export", home.root / "bundle"))
    )
    assert (
        verify.sentence
        == up.sentence.partition(";")[0]
        == f"cannot read {file}: it belongs to user {SOMEBODY}"
    )
    assert str(file) in export.sentence and f"belongs to user {SOMEBODY}" in export.sentence


def test_a_volume_of_root_whose_group_may_write(home: Home) -> None:
    """Such are a cluster's volumes (fsGroup): what decides is whether the user may write, not whose it is."""
    for missing in (home.cache, home.reports):
        missing.rmdir()
    give_to_somebody(home.root)
    os.chown(home.root, SOMEBODY, 0)
    home.root.chmod(0o2775)
    (done,) = as_ordinary_user(*on(home, ("tensorboard", "--once")))
    assert done.code == 0, done
    assert (home.root.stat().st_mode & 0o7777, home.root.stat().st_uid) == (0o2775, SOMEBODY)
    assert {folder.stat().st_mode & 0o777 for folder in home.folders} == {0o700}
