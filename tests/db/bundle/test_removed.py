"""Bundles, and homes from which an ablation was removed: that is no work, so an import that undoes it loses none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from db import garbage, jobs, members, removal, verification
from db.jobs import Ending
from db.migrate import open_state
from db.queries import ablation_rows
from db.states import SUCCEEDED
from db.store import ArtifactStore
from settings.home import Home
from tests.db.bundle.conftest import bring_in, content, refused, take_out
from tests.support import NOW, RETENTION, planned, start, submit, worker
from tests.workshop import Workshop

WorkshopAt = Callable[[Home], Workshop]


@pytest.fixture
def here(tmp_path: Path, workshop_at: WorkshopAt) -> Home:
    """A home with two ablations, some of it done."""
    workshop = workshop_at(Home(tmp_path / "here"))
    workshop.submit()
    workshop.finish_until("train")
    submit(workshop.database, planned("ingest"), planned("own", ["ingest"]), key="second")
    workshop.finish("own")
    workshop.close()
    return workshop.home


def remove(home: Home, ablation_id: int) -> None:
    database = open_state(home)
    found = removal.remove(database, home, None, ablation_id, NOW)
    garbage.collect_files(database, home, found.goes.files.keys(), NOW)
    assert {entry.state for entry in verification.verify(database, ArtifactStore(home), RETENTION)} <= {"ok"}
    database.close()


def work(home: Home, label: str) -> None:
    database = open_state(home)
    me = worker(database)
    claim = start(database, label, me)
    jobs.succeed(database, claim, Ending(SUCCEEDED, claim.target_steps), NOW)
    members.leave(database, me, NOW)
    database.close()


def names(home: Home) -> list[str]:
    database = open_state(home)
    found = [row.name for row in ablation_rows(database)]
    database.close()
    return found


def test_what_went_on_elsewhere_comes_back_with_what_was_removed_here(here: Home, tmp_path: Path) -> None:
    there, one, two = Home(tmp_path / "there"), tmp_path / "one.bundle", tmp_path / "two.bundle"
    take_out(here, one)
    bring_in(there, one)
    work(there, "train")
    take_out(there, two)
    remove(here, 2)
    assert names(here) == ["ablation"]
    assert not bring_in(here, two).already
    assert names(here) == ["ablation", "second"]


def test_of_two_removals_both_are_no_work(here: Home, tmp_path: Path) -> None:
    there, one, two = Home(tmp_path / "there"), tmp_path / "one.bundle", tmp_path / "two.bundle"
    database = open_state(here)
    submit(database, planned("third"), key="third")
    database.close()
    take_out(here, one)
    bring_in(there, one)
    work(there, "train")
    take_out(there, two)
    remove(here, 2)
    remove(here, 3)
    bring_in(here, two)
    assert names(here) == ["ablation", "second", "third"]


def test_work_beside_a_removal_is_work(here: Home, tmp_path: Path) -> None:
    there, one, two = Home(tmp_path / "there"), tmp_path / "one.bundle", tmp_path / "two.bundle"
    take_out(here, one)
    bring_in(there, one)
    work(there, "train")
    take_out(there, two)
    remove(here, 2)
    work(here, "train")
    refused(
        here, two, "this one began 1 attempt and the bundle's 1 attempt, and importing would lose the former"
    )


def test_a_removal_travels(here: Home, tmp_path: Path) -> None:
    there, one, two = Home(tmp_path / "there"), tmp_path / "one.bundle", tmp_path / "two.bundle"
    take_out(here, one)
    bring_in(there, one)
    remove(here, 2)
    take_out(here, two, since="last")
    bring_in(there, two)
    assert names(there) == ["ablation"]
    assert bring_in(there, two).already
    before = content(here)
    assert bring_in(here, one).already and content(here) == before, (
        "a bundle that it holds brings nothing back"
    )


def test_a_home_from_which_all_was_removed_is_an_empty_one(here: Home, tmp_path: Path) -> None:
    one = tmp_path / "one.bundle"
    take_out(here, one)
    before = names(here)
    for ablation_id in (1, 2):
        remove(here, ablation_id)
    assert not list(here.artifacts.glob("??/*"))
    assert not bring_in(here, one).already
    assert names(here) == before
    database = open_state(here)
    checked = verification.verify(database, ArtifactStore(here), RETENTION)
    assert {entry.state for entry in checked} <= {verification.OK, verification.LEFT_BEHIND}
    database.close()
