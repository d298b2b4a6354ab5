"""A job over ranks that are killed and frozen ends with the bits of one that nobody disturbed, and leaves nothing."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from db import jobs, plans
from db.engine import Database
from db.jobs import Ending
from db.plans import Plan
from db.states import LOST, SUCCEEDED
from db.store import ArtifactStore
from errors import ConfigError
from settings.home import Home
from tasks.context import Finished, InputFile
from tasks.registry import TRAIN
from tasks.specs import TrainSpec
from tasks.train import run as train
from tasks.train.gang import watch
from tasks.train.gang.words import STEPPING, Line
from tests import job_specs
from tests.support import (
    NOW,
    REPOSITORY,
    artifacts_of_job,
    attempts,
    event_kinds,
    planned,
    row,
    start,
    stored,
    worker,
)
from tests.tasks.fake_context import FakeContext
from tests.tasks.train.gang_life import (
    RANKS,
    STEPS,
    KeptContext,
    closed_within,
    data_in,
    digest_of,
    family,
    gone_within,
    hearing,
    kill,
    left_of,
    listening_beyond_loopback,
    sockets,
    spec_of,
)
from tests.training import training_spec
from tests.workers.conftest import Bench

pytestmark = pytest.mark.slow

OPEN_LOOP = {"every_steps": 4, "frames": 2}
EARLY = {
    "every_steps": 4,
    "frames": 2,
    "window": 1,
    "min_gain": 0.001,
    "same_frames": True,
    "by_demonstration": True,
}
MEASURED: Mapping[str, Any] = {"open_loop": OPEN_LOOP, "early_stopping": EARLY}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("gang") / "data"
    data_in(place)
    return place


@pytest.fixture(scope="module")
def inputs(data: Path) -> list[InputFile]:
    return data_in(data)


@pytest.fixture(scope="module")
def undisturbed(inputs: list[InputFile], tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """It measures on held-out frames too, which those that are compared with it do not: that changes no bit."""
    context = FakeContext(tmp_path_factory.mktemp("undisturbed"), spec_of(**MEASURED), held_out(inputs))
    ended = train.run(context)
    assert isinstance(ended, Finished)
    return Undisturbed(digest_of(ended), context, ended)


@dataclass(frozen=True)
class Undisturbed:
    """A run over ranks: digest of its weights, what was told on the way, and at the end."""

    digest: str
    context: FakeContext
    ended: Finished[Any]


def held_out(inputs: list[InputFile]) -> list[InputFile]:
    return [*inputs, *(replace(file, role="validation") for file in inputs)]


def test_losses_are_those_of_one_process(
    undisturbed: Undisturbed, inputs: list[InputFile], tmp_path: Path
) -> None:
    """And so is what is measured on held-out frames on the way."""
    alone = FakeContext(tmp_path, spec_of(1, **MEASURED), held_out(inputs))
    ended = train.run(alone)
    assert isinstance(ended, Finished)
    over, also = undisturbed.context, undisturbed.ended
    for one, two in zip(alone.values, over.values, strict=True):
        assert two == pytest.approx(one, rel=1e-4)
    points = [
        {(p.name, p.step): p.value for p in (*c.published_points, *r.points)}
        for c, r in ((alone, ended), (over, also))
    ]
    assert points[0].keys() == points[1].keys()
    assert ("open_loop/error", 8) in points[0] and ("validation/action", 8) in points[0]
    assert points[1] == pytest.approx(points[0], rel=1e-3, abs=1e-6)
    assert [note.message for note in also.notes] == [note.message for note in ended.notes] != []
    assert over.seconds.keys() == {"load", "useful", "checkpoint"} and over.seconds["useful"] > 0
    assert over.saves, "deadlines are planned with it"


class Sliced(FakeContext):
    """Gives way when it hears of step `until`, or a few steps later, as ranks go on meanwhile."""

    until = STEPS

    def should_stop(self) -> str | None:
        return "slice" if self.progress and self.progress[-1] >= self.until else None


def test_it_goes_on_over_other_numbers_of_ranks(
    undisturbed: Undisturbed, inputs: list[InputFile], tmp_path: Path
) -> None:
    """From the checkpoint of one device over three ranks, and from theirs in one process."""
    spec = TRAIN.spec_of(job_specs.spec_of("train", spec_of(1)))
    assert isinstance(spec, TrainSpec)
    spec = replace(spec, training=replace(spec.training, checkpoint_seconds=1e9))  # where it stops alone
    values: list[Mapping[str, float]] = []
    context, ended = None, None
    for number, until in ((1, 3), (3, 6), (1, STEPS)):
        begun = len(values)
        context = Sliced(tmp_path, spec.divided_over(number), inputs, earlier=context)
        context.until = until
        ended = train.run(context)
        values += context.values[: max(context.step, STEPS if isinstance(ended, Finished) else 0) - begun]
    assert isinstance(ended, Finished) and len(values) == STEPS
    for one, two in zip(values, undisturbed.context.values, strict=True):
        assert one == pytest.approx(two, rel=1e-4)


def once(when: Callable[[Line], bool], act: Callable[[], object]) -> Callable[[Line], None]:
    done: list[object] = []

    def heard(line: Line) -> None:
        if not done and when(line):
            done.append(act())

    return heard


def test_whatever_ends_the_ranks_the_bits_are_those_of_an_undisturbed_run(
    bench: Bench,
    database: Database,
    store: ArtifactStore,
    home: Home,
    inputs: list[InputFile],
    undisturbed: Undisturbed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each attempt is ended in another way, and the last goes on from a checkpoint before a damaged one."""
    spec = {**spec_of(), "slice_seconds": 3600.0}
    index = planned("index", kind="index")
    training = planned("train", ["index"], kind="train", target_steps=STEPS, spec=spec, role="index")
    plans.submit(database, Plan("one", "one", {}, [index, training]), "test", NOW)
    claim = start(database, "index", worker(database))
    made = [stored(store, tmp_path, file.name, file.path.read_bytes(), kind="index") for file in inputs]
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=made), NOW)
    open_sockets: set[str] = set()
    reachable: list[str] = []

    def disturbed(when: Callable[[Line, int], bool], act: Callable[[int, list[int]], object]) -> str:
        """Runs an attempt that `act`, given launcher and ranks, ends."""
        began = row(database, "train").step

        def now() -> None:
            launcher, ranks = family(os.getpid())
            held = sockets([launcher, *ranks])
            open_sockets.update(held)
            reachable.extend(listening_beyond_loopback(held))
            act(launcher, ranks)

        with hearing(once(lambda line: when(line, began), now)):
            outcome = bench.run("train", train.run)
        assert left_of(home.root) == [] and closed_within(open_sockets, 10)
        return outcome

    def is_further(began: int) -> bool:
        return bool(row(database, "train").step > began)

    def in_a_step(line: Line, began: int) -> bool:
        return line.word == "stage" and line.text("stage") == STEPPING and is_further(began)

    def after_a_step(line: Line, began: int) -> bool:
        return line.word == "step" and is_further(began)

    def saving(line: Line, _: int) -> bool:
        return line.word == "saving"

    def first_step(line: Line, _: int) -> bool:
        return line.word == "step"

    assert disturbed(after_a_step, lambda _, ranks: kill(ranks[1])) == "lost: rank 1 was ended by signal 9"
    assert disturbed(saving, lambda _, ranks: kill(ranks[0])) == "lost: rank 0 was ended by signal 9"
    with monkeypatch.context() as patch:
        patch.setattr(watch, "LEAST_SECONDS", 0.5)
        patch.setattr(watch, "TIMES", 8)
        told = disturbed(in_a_step, lambda _, ranks: kill(ranks[1], signal.SIGSTOP))
    assert told.startswith("lost: ranks stand still: no step for")
    assert "launcher of the ranks was ended by signal 9" in disturbed(first_step, lambda it, _: kill(it))
    assert open_sockets and not reachable, "there were some, for this machine alone"
    found = [(a.outcome, a.environment["ranks"]) for a in attempts(database, "train")]
    assert found == [(LOST, RANKS)] * 4
    job = row(database, "train")
    assert (job.failures, job.losses) == (0, 2), "no try is spent, and what got further is no loss"
    files = [a for a in artifacts_of_job(database, job.id) if a.step == job.step]
    assert sorted(a.name for a in files)[0] == "manifest.json" and len(files) == 1 + RANKS
    damaged = home.root / files[-1].path
    damaged.chmod(0o600)
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert bench.run("train", train.run) == SUCCEEDED
    assert "checkpoint_fallback" in event_kinds(database)
    final = [a for a in artifacts_of_job(database, job.id) if a.final]
    assert [(a.name, a.sha256) for a in final] == [("weights", undisturbed.digest)]


def test_ranks_end_with_the_process_of_their_attempt(
    data: Path, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "tests.tasks.train.gang_life", str(folder), str(data)]
    process = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        end = time.monotonic() + 240
        while not (folder / "state.json").exists() and time.monotonic() < end:
            time.sleep(0.01)
        launcher, ranks = family(process.pid)
        held = sockets([launcher, *ranks])
        kill(ranks[0], signal.SIGSTOP)  # what is frozen ends too
    finally:
        process.kill()
        process.wait()
    assert gone_within(folder, 10) and closed_within(held, 10)
    context = KeptContext(folder, spec_of(), data_in(data))
    assert context.step > 0
    assert digest_of(train.run(context)) == undisturbed.digest


def test_signals_of_the_whole_session_are_for_the_worker_alone(
    inputs: list[InputFile], undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """As SLURM sends them to each process of a step: the ranks go on, and save when they are asked to."""

    def ask() -> None:
        launcher, ranks = family(os.getpid())
        for name in ("TERM", "USR1"):  # from another process than the launcher's parent
            subprocess.run(["kill", f"-{name}", *map(str, [launcher, *ranks])], check=True)

    context = FakeContext(tmp_path, spec_of(), inputs)
    with hearing(once(lambda line: line.word == "step", ask)):
        assert digest_of(train.run(context)) == undisturbed.digest


def test_a_stop_before_anything_is_new_ends_at_once(inputs: list[InputFile], tmp_path: Path) -> None:
    context = FakeContext(tmp_path, spec_of(), inputs, checks=0, reason="preempted")
    began = time.monotonic()
    assert str(train.run(context)) == "Yielded(reason='preempted')"
    assert context.published == [] and left_of(tmp_path) == []
    assert time.monotonic() - began < 60


def test_a_job_that_was_planned_for_copies_of_the_model_is_refused(
    inputs: list[InputFile], tmp_path: Path
) -> None:
    context = FakeContext(tmp_path, training_spec(3, devices=2), inputs)
    with pytest.raises(ConfigError, match=r"devices is 2, .* end it with that build, or submit its ablation"):
        train.run(context)


def test_final_weights_have_the_name_and_the_bytes_that_are_expected(
    undisturbed: Undisturbed,
) -> None:
    file = undisturbed.context.scratch / "weights.safetensors"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == undisturbed.digest
