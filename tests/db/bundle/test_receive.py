"""A bundle comes in whole or not at all, once, and only where it continues what is there."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from db import jobs, members, migrate, plans, verification
from db.bundle import at_work, lineage
from db.jobs import Ending, Target
from db.migrate import open_state
from db.schema import Worker
from db.states import SUCCEEDED
from db.store import ArtifactStore
from errors import HomeInUse
from settings import watching
from settings.home import Home
from tests.db.bundle.conftest import bring_in, content, refused, take_out
from tests.support import NOW, RETENTION, attempts, event_kinds, planned, row, states, submit
from tests.workshop import ABLATION, Workshop, dump

WorkshopAt = Callable[[Home], Workshop]


def facts_of(home: Home) -> str:
    database = open_state(home)
    with database.read() as tx:
        facts = lineage.facts(tx.exec_driver_sql)
    database.close()
    return facts


def test_an_empty_home_elsewhere_comes_to_life(
    bundle: Path, idle: Workshop, new: Home, workshop_at: WorkshopAt
) -> None:
    bring_in(new, bundle)
    there = workshop_at(new)
    assert states(there.database) == states(idle.database)
    assert {e.state for e in verification.verify(there.database, there.store, RETENTION)} == {verification.OK}
    assert all(path.stat().st_mode & 0o777 == 0o400 for path in new.artifacts.glob("??/*"))
    for job in ("train", "evaluate", "report"):
        there.finish(job)
    assert set(states(there.database).values()) == {SUCCEEDED}


def test_what_ran_goes_on_from_its_last_checkpoint(
    old: Workshop, new: Home, tmp_path: Path, workshop_at: WorkshopAt
) -> None:
    take_out(old.home, tmp_path / "one.bundle")
    bring_in(new, tmp_path / "one.bundle")
    there = workshop_at(new)
    claim = there.claim("train")
    assert (claim.step, claim.losses, claim.failures) == (3, 0, 0)
    there.finish("train", claim)
    assert [a.outcome for a in attempts(there.database, "train")] == ["preempted", "succeeded"]


def test_importing_again_changes_nothing_also_after_more_work(
    bundle: Path, idle: Workshop, new: Home, workshop_at: WorkshopAt
) -> None:
    assert not bring_in(new, bundle).already
    before = content(new)
    assert bring_in(new, bundle).already and content(new) == before
    there = workshop_at(new)
    there.finish("train")
    there.leave()
    before = content(new)
    assert bring_in(new, bundle).already and content(new) == before
    before = content(idle.home)
    assert bring_in(idle.home, bundle).already and content(idle.home) == before, "where it was made"


def test_there_and_back_again(
    bundle: Path, idle: Workshop, new: Home, tmp_path: Path, workshop_at: WorkshopAt
) -> None:
    bring_in(new, bundle)
    there = workshop_at(new)
    there.finish("train")
    there.close()
    take_out(new, tmp_path / "two.bundle")
    bring_in(idle.home, tmp_path / "two.bundle")
    assert facts_of(idle.home) == facts_of(new)
    idle.finish("evaluate")
    idle.leave()
    take_out(idle.home, tmp_path / "three.bundle", since="last")
    bring_in(new, tmp_path / "three.bundle")
    assert facts_of(idle.home) == facts_of(new)
    assert event_kinds(idle.database)[-2:] == ["bundle", "bundle"]


def test_a_home_that_saw_no_work_may_skip_bundles(
    bundle: Path, idle: Workshop, new: Home, tmp_path: Path
) -> None:
    bring_in(new, bundle)
    for label in ("train", "evaluate"):
        idle.finish(label)
        take_out(idle.home, tmp_path / f"{label}.bundle")
    bring_in(new, tmp_path / "evaluate.bundle")
    assert bring_in(new, tmp_path / "train.bundle").already


def work_on(workshop: Workshop) -> None:
    workshop.finish("train")
    workshop.leave()


def submit_more(workshop: Workshop) -> None:
    submit(workshop.database, planned("another"), key="another")


def give_up(workshop: Workshop) -> None:
    jobs.cancel(workshop.database, Target("job", row(workshop.database, "train").id, "train"), NOW)


def begin(workshop: Workshop) -> None:
    workshop.claim("train")
    workshop.stop("train")


@pytest.mark.parametrize("change", [work_on, submit_more, give_up, begin])
def test_two_homes_that_both_went_on_are_told_apart(
    change: Callable[[Workshop], None],
    bundle: Path, idle: Workshop, new: Home, tmp_path: Path, workshop_at: WorkshopAt,
) -> None:  # fmt: skip
    bring_in(new, bundle)
    there = workshop_at(new)
    work_on(there)
    take_out(new, tmp_path / "two.bundle")
    change(idle)
    refused(idle.home, tmp_path / "two.bundle", "both homes went on from the bundle made on .* at ")
    take_out(idle.home, tmp_path / "mine.bundle")
    refused(new, tmp_path / "mine.bundle", "both homes went on")


def test_work_that_went_on_during_the_export_is_a_fork(
    old: Workshop, new: Home, tmp_path: Path, workshop_at: WorkshopAt
) -> None:
    take_out(old.home, tmp_path / "one.bundle")
    bring_in(new, tmp_path / "one.bundle")
    there = workshop_at(new)
    work_on(there)
    take_out(new, tmp_path / "two.bundle")
    old.stop("train")
    refused(old.home, tmp_path / "two.bundle", "no new attempt but went on with its own")


def test_other_work_is_not_replaced(bundle: Path, new: Home, workshop_at: WorkshopAt) -> None:
    there = workshop_at(new)
    submit_more(there)
    refused(new, bundle, "holds other work")


def test_an_empty_home_that_exists_takes_it(bundle: Path, new: Home, workshop_at: WorkshopAt) -> None:
    workshop_at(new)
    bring_in(new, bundle)


def test_a_home_in_use_is_refused(bundle: Path, idle: Workshop, tmp_path: Path) -> None:
    take_out(idle.home, tmp_path / "two.bundle")
    copy = Home(tmp_path / "copy")
    bring_in(copy, bundle)
    with copy.exclusive("up"):
        refused(copy, tmp_path / "two.bundle", "already being run by 'up'")
    database = open_state(copy)
    worker_id = members.join(database, "clustered", "cpu", None, time.time())
    refused(copy, tmp_path / "two.bundle", "worker clustered on .* is at work")
    members.leave(database, worker_id, time.time())
    database.close()
    assert not bring_in(copy, tmp_path / "two.bundle").already


def test_a_worker_that_was_killed_is_not_waited_for(bundle: Path, idle: Workshop, tmp_path: Path) -> None:
    take_out(idle.home, tmp_path / "two.bundle")
    copy = Home(tmp_path / "copy")
    bring_in(copy, bundle)
    child = os.fork()
    if child == 0:
        members.join(open_state(copy), "dead", "cpu", None, time.time())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert not bring_in(copy, tmp_path / "two.bundle").already


@pytest.mark.parametrize("shift", [-172_800.0, 172_800.0])
def test_workers_of_other_machines_are_listened_for(
    bundle: Path, idle: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shift: float
) -> None:
    """When their last heartbeat was is a time of day of another machine: what counts is whether there comes another."""
    take_out(idle.home, tmp_path / "two.bundle")
    copy = Home(tmp_path / "copy")
    bring_in(copy, bundle)
    monkeypatch.setattr(at_work, "_LISTEN_SECONDS", 0.01)
    monkeypatch.setenv("BATON_QUEUE_HEARTBEAT_SECONDS", "0.1")
    monkeypatch.setenv("BATON_QUEUE_LEASE_SECONDS", "60")
    database = open_state(copy)
    worker_id = members.join(database, "there", "cpu", None, time.time() + shift)
    with database.write() as tx:
        tx.execute(
            update(Worker).values(boot="another start", process_space="there", pid=1, pid_started_at=5.0)
        )
    left = threading.Event()

    def beat() -> None:
        while not left.wait(0.02):
            members.beat(database, worker_id, None, None, time.time() + shift)

    beating = threading.Thread(target=beat)
    beating.start()
    with pytest.raises(HomeInUse, match=r"worker there on .* is at work"):
        bring_in(copy, tmp_path / "two.bundle")
    left.set()
    beating.join()
    database.close()
    monkeypatch.setenv("BATON_QUEUE_LEASE_SECONDS", "0.3")
    assert not bring_in(copy, tmp_path / "two.bundle").already, "a lease long nothing came"


def test_a_worker_of_another_container_is_as_old_as_its_steady_clock_says(
    bundle: Path, idle: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_out(idle.home, tmp_path / "two.bundle")
    copy = Home(tmp_path / "copy")
    bring_in(copy, bundle)
    database = open_state(copy)
    members.join(database, "there", "cpu", None, time.time())
    with database.write() as tx:
        tx.execute(update(Worker).values(process_space="container", steady_at=Worker.steady_at - 31.0))
    database.close()
    monkeypatch.setattr(
        watching.time, "sleep", lambda _: pytest.fail("listened for one that is known to be gone")
    )
    assert not bring_in(copy, tmp_path / "two.bundle").already


def test_a_bundle_that_needs_an_earlier_one_says_so(
    bundle: Path, idle: Workshop, new: Home, tmp_path: Path
) -> None:
    idle.finish("train")
    take_out(idle.home, tmp_path / "two.bundle", since=str(bundle))
    refused(new, tmp_path / "two.bundle", "import that bundle first, or export again without --since")


def test_what_an_earlier_bundle_brought_must_be_sound(
    bundle: Path, idle: Workshop, new: Home, tmp_path: Path
) -> None:
    bring_in(new, bundle)
    idle.claim("train")
    idle.stop("train")
    take_out(idle.home, tmp_path / "two.bundle", since="last")
    for path in new.artifacts.glob("??/*"):
        path.chmod(0o600)
        path.write_bytes(b"damaged")
    refused(new, tmp_path / "two.bundle", "which is damaged here")
    take_out(idle.home, tmp_path / "whole.bundle")
    bring_in(new, tmp_path / "whole.bundle")
    assert {e.state for e in verification.verify(open_state(new), ArtifactStore(new), RETENTION)} == {
        verification.OK
    }


def test_a_full_disk_is_refused_before_anything_is_written(
    bundle: Path, new: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = bundle.stat().st_size
    usage = type("usage", (), {"free": size})
    monkeypatch.setattr("db.bundle.receive.shutil.disk_usage", lambda _path: usage)
    refused(new, bundle, f"has {size} left")


def test_a_disk_that_fills_up_leaves_the_home_as_it_was(
    bundle: Path, new: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("db.store.os.sync", fail)
    with pytest.raises(
        OSError, match="No space left"
    ):  # told as a full disk, and not as a bundle that is bad
        bring_in(new, bundle)
    assert not new.root.exists()


def test_a_command_that_slips_in_is_not_overwritten(
    bundle: Path, idle: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`submit-ablation --detach` does not hold the home."""
    take_out(idle.home, tmp_path / "two.bundle")
    copy = Home(tmp_path / "copy")
    bring_in(copy, bundle)
    adopt = ArtifactStore.adopt

    def adopt_late(self: ArtifactStore, files: dict[str, Path]) -> None:
        adopt(self, files)
        database = open_state(copy)
        submit(database, planned("slipped in"), key="another")
        database.close()

    monkeypatch.setattr(ArtifactStore, "adopt", adopt_late)
    with pytest.raises(HomeInUse, match="changed by another command"):
        bring_in(copy, tmp_path / "two.bundle")
    database = open_state(copy)
    assert states(database)["slipped in"] == "ready"
    database.close()


def test_a_first_submission_that_slips_in_is_not_overwritten(
    sealed: Path, new: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopt = ArtifactStore.adopt

    def adopt_late(self: ArtifactStore, files: dict[str, Path]) -> None:
        adopt(self, files)
        database = open_state(new)
        submit(database, planned("slipped in"))
        database.close()

    monkeypatch.setattr(ArtifactStore, "adopt", adopt_late)
    with pytest.raises(HomeInUse, match="changed by another command"):
        bring_in(new, sealed)
    database = open_state(new)
    assert states(database) == {"slipped in": "ready"}
    database.close()


def test_a_new_ablation_makes_again_what_was_left_behind(
    idle: Workshop, new: Home, tmp_path: Path, workshop_at: WorkshopAt
) -> None:
    """The index has been read by all that needs it, so it stays behind; then somebody else needs it."""
    idle.finish("train")
    idle.leave()
    take_out(idle.home, tmp_path / "one.bundle")
    bring_in(new, tmp_path / "one.bundle")
    there = workshop_at(new)
    found = {e.job: e.state for e in verification.verify(there.database, there.store, RETENTION)}
    assert found["index"] == verification.LEFT_BEHIND and found["train"] == verification.OK
    again = planned("train more", ["index"], kind="train")
    plan = plans.Plan("second", "second", {}, (*(job for job in ABLATION[:4]), again))
    plans.submit(there.database, plan, "submit", NOW)
    claim = there.claim("train more")
    lost = [
        e.path
        for e in verification.verify(there.database, there.store, RETENTION)
        if e.state == verification.MISSING
    ]
    assert len(lost) == 1
    assert jobs.redo_inputs(there.database, claim, Ending("preempted", 0), [], lost, 3, NOW) == ["index"]
    there.finish("index")
    there.finish("train more")
    assert {e.state for e in verification.verify(there.database, there.store, RETENTION)} <= {
        verification.OK,
        verification.LEFT_BEHIND,
    }


def test_a_bundle_of_an_older_version_is_brought_up_to_date(
    sealed: Path, new: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workshop_at: WorkshopAt
) -> None:
    """The next version of Baton has one migration more."""
    later = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS, later)
    (later / "versions" / "9000_mood.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision, down_revision = '9000', '{migrate.revisions()[0]}'\n"
        "branch_labels = depends_on = None\n"
        "def upgrade():\n    op.add_column('event', sa.Column('mood', sa.String(), nullable=True))\n"
    )
    monkeypatch.setattr(migrate, "MIGRATIONS", later)
    bring_in(new, sealed)
    rows = dump(new)
    assert rows["alembic_version"] == [("9000",)] and rows["event"][0][-1] is None
    there = workshop_at(new)
    there.finish("train")
    there.leave()
    made = take_out(new, tmp_path / "later.bundle")
    monkeypatch.undo()
    refused(
        Home(tmp_path / "today"), tmp_path / "later.bundle", "the schema 9000, which this Baton does not know"
    )
    assert made.files > 0
