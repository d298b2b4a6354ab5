"""However a run is cut into slices, and wherever it goes on, its weights are those of the uncut run."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from errors import TrainingDiverged
from models.reconvla import ReconVLA
from settings.points import OF_DEMONSTRATION
from tasks.context import Finished, InputFile, Yielded
from tasks.evaluate.open_loop import run_open_loop
from tasks.results import TrainResult
from tasks.train import run as train
from tasks.train import step
from tasks.train.prefetch import Prefetcher
from tests.tasks.fake_context import FakeContext, input_file
from tests.training import training_spec, write_training_index

STEPS = 6


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> tuple[InputFile, ...]:
    files = write_training_index(tmp_path_factory.mktemp("index"))
    return tuple(input_file("index", "index", name, path) for name, path in files.items())


def run_in_slices(
    folder: Path,
    spec: dict[str, Any],
    index: Sequence[InputFile],
    cuts: Sequence[int],
    *,
    remember: bool = False,
) -> tuple[str, FakeContext]:
    """Attempts of `cuts` steps each, then one to the end. Returns the digest of the final weights.

    remember: all attempts share one worker's memory; otherwise each starts from files.
    """
    memory: dict[str, Any] = {}
    context: FakeContext | None = None
    for cut in (*cuts, None):
        context = FakeContext(
            folder, spec, index, memory=memory if remember else None, earlier=context, checks=cut
        )
        result = train.run(context)
        if cut is not None:
            assert isinstance(result, Yielded)
    assert context is not None and isinstance(result, Finished)
    (draft,) = result.artifacts
    context.published_points += result.points
    return hashlib.sha256(draft.file.read_bytes()).hexdigest(), context


def test_waiting_for_input_is_no_useful_time(
    index: Sequence[InputFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that only inputs (5 s each) and steps (2 s each) move; prepared ahead, as beside a GPU."""
    now, step = [0.0], train.train_step

    class SlowPrefetcher(Prefetcher[Any]):
        def __init__(self, make: Any, first: int, end: int, ahead: int) -> None:
            super().__init__(make, first, end, 2)

        def get(self, number: int) -> Any:
            now[0] += 5.0
            return super().get(number)

    def slow_step(*arguments: Any) -> dict[str, float]:
        now[0] += 2.0
        return step(*arguments)

    monkeypatch.setattr(train, "Prefetcher", SlowPrefetcher)
    monkeypatch.setattr(train, "train_step", slow_step)
    monkeypatch.setattr(train.time, "perf_counter", lambda: now[0])
    context = FakeContext(tmp_path, training_spec(3), index, reached=1)
    assert isinstance(train.run(context), Finished)
    spent = context.seconds
    assert (spent["idle"], spent["replayed"], spent["useful"]) == (15.0, 2.0, 4.0)


@pytest.fixture(scope="module")
def uncut(index: tuple[InputFile, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, FakeContext]:
    return run_in_slices(tmp_path_factory.mktemp("uncut"), training_spec(STEPS), index, [])


@pytest.mark.parametrize("remember", [False, True], ids=["from files", "from memory"])
@pytest.mark.parametrize("cuts", [(1,), (3,), (5,), (2, 1, 2)], ids=str)
def test_a_cut_run_gives_the_weights_of_the_uncut_one(
    tmp_path: Path,
    index: tuple[InputFile, ...],
    uncut: tuple[str, FakeContext],
    cuts: tuple[int, ...],
    remember: bool,
) -> None:
    digest, context = run_in_slices(tmp_path, training_spec(STEPS), index, cuts, remember=remember)
    assert digest == uncut[0]
    assert context.published_points == uncut[1].published_points, "the losses of every step, once"


def test_a_stop_before_the_first_step_of_a_slice_publishes_nothing_twice(
    tmp_path: Path, index: tuple[InputFile, ...], uncut: tuple[str, FakeContext]
) -> None:
    digest, context = run_in_slices(tmp_path, training_spec(STEPS), index, (0, 2, 0, 0), remember=True)
    assert digest == uncut[0]
    assert [(file.name, file.step) for file in context.published] == [("weights", 2), ("optimizer", 2)]


def test_a_worker_that_remembers_another_step_goes_on_from_the_files(
    tmp_path: Path, index: tuple[InputFile, ...], uncut: tuple[str, FakeContext]
) -> None:
    """The run went on elsewhere, or fell back: what this worker still holds is no longer the run's state."""
    spec, memory = training_spec(STEPS), {}
    first = FakeContext(tmp_path, spec, index, memory=memory, checks=2)
    train.run(first)
    ahead = FakeContext(tmp_path, spec, index, memory=dict(memory), earlier=first, checks=2)
    train.run(ahead)
    assert memory["training"].step == 4, "the train_state object itself moved on with the second attempt"
    again = FakeContext(tmp_path, spec, index, memory=memory, earlier=first)
    result = train.run(again)
    assert again.progress[0] == 3, "back at the checkpoint of step 2"
    assert hashlib.sha256(result.artifacts[0].file.read_bytes()).hexdigest() == uncut[0]


def test_a_worker_does_not_go_on_with_the_trainee_of_other_work(
    tmp_path: Path, index: tuple[InputFile, ...]
) -> None:
    """Two jobs with equal weights at a step, of which only the second measures on held-out frames."""
    plain = FakeContext(tmp_path / "plain", training_spec(STEPS), index, memory={}, checks=2)
    train.run(plain)
    held_out = tuple(dataclasses.replace(file, role="validation") for file in index)
    other = tmp_path / "measuring", training_spec(STEPS, open_loop=OPEN_LOOP), (*index, *held_out)
    earlier = FakeContext(*other, checks=2)
    train.run(earlier)
    assert [file.sha256 for file in earlier.published[:1]] == [file.sha256 for file in plain.published[:1]]
    again = FakeContext(*other, memory=plain.memory, earlier=earlier)
    result = train.run(again)
    assert isinstance(result, Finished)
    assert "open_loop/error" in {point.name for point in (*again.published_points, *result.points)}


def test_checkpoints_on_the_way_do_not_change_the_weights(
    tmp_path: Path, index: tuple[InputFile, ...], uncut: tuple[str, FakeContext]
) -> None:
    spec = training_spec(STEPS, checkpoint_seconds=1e-9)
    digest, context = run_in_slices(tmp_path, spec, index, [])
    assert digest == uncut[0]
    steps = [file.step for file in context.published if file.name == "weights"]
    assert steps[:1] == [1], "due after every step"
    assert steps == sorted(set(steps) & set(range(STEPS))), (
        "left out only while the one before is still written"
    )
    assert context.published_points == uncut[1].published_points


def test_seed_and_arm_change_the_weights(
    tmp_path: Path, index: tuple[InputFile, ...], uncut: tuple[str, FakeContext]
) -> None:
    other_seed, _ = run_in_slices(tmp_path / "seed", training_spec(STEPS, seed=1), index, [])
    plain, context = run_in_slices(tmp_path / "arm", training_spec(STEPS, arm="baseline"), index, [])
    assert len({uncut[0], other_seed, plain}) == 3
    assert {point.name for point in context.published_points} == {"loss/total", "loss/action"}


def test_a_job_that_was_planned_before_is_trained_by_the_library(
    tmp_path: Path,
    index: tuple[InputFile, ...],
    uncut: tuple[str, FakeContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(step, "short_losses", None)
    before, _ = run_in_slices(tmp_path / "before", training_spec(STEPS, operations=None), index, [])
    assert before != uncut[0], "sums have another order"
    bf16 = training_spec(2, precision="bf16")
    assert run_in_slices(tmp_path / "bf16", bf16, index, [])[0] != before


def test_training_starts_from_the_pretrained_weights(
    tmp_path: Path, index: tuple[InputFile, ...], uncut: tuple[str, FakeContext]
) -> None:
    pretrain = FakeContext(tmp_path / "pretrain", training_spec(2, seed=5), index)
    weights = pretrain.keep(train.run(pretrain).artifacts[0], 2, role="init")
    inputs = (*index, weights)
    started, _ = run_in_slices(tmp_path / "uncut", training_spec(STEPS), inputs, [])
    cut, _ = run_in_slices(tmp_path / "cut", training_spec(STEPS), inputs, [2])
    assert started == cut
    assert started != uncut[0]


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_checkpoint(
    tmp_path: Path, index: tuple[InputFile, ...], uncut: tuple[str, FakeContext]
) -> None:
    spec = training_spec(STEPS)
    good = FakeContext(tmp_path, spec, index, checks=2)
    train.run(good)
    memory: dict[str, Any] = {}
    resumed = FakeContext(tmp_path, spec, index, memory=memory, earlier=good, checks=0)
    train.run(resumed)
    with torch.no_grad():
        next(iter(memory["training"].model.parameters())).fill_(float("nan"))
    broken = FakeContext(tmp_path, spec, index, memory=memory, earlier=resumed)
    with pytest.raises(TrainingDiverged, match=r"total loss is nan at step 2"):
        train.run(broken)
    assert broken.step == 2
    assert "training" not in memory, "a diverged model is not kept for the next attempt"
    after = FakeContext(tmp_path, spec, index, memory=memory, earlier=broken)
    result = train.run(after)
    assert hashlib.sha256(result.artifacts[0].file.read_bytes()).hexdigest() == uncut[0]


def test_steps_that_an_attempt_was_seen_at_are_replayed_time(
    tmp_path: Path, index: tuple[InputFile, ...]
) -> None:
    context = FakeContext(tmp_path, training_spec(STEPS), index, reached=4)
    train.run(context)
    assert context.seconds["replayed"] > 0 and context.seconds["useful"] > 0
    again = FakeContext(tmp_path / "all", training_spec(STEPS), index, reached=STEPS)
    train.run(again)
    assert "useful" not in again.seconds, "every step had been done before"


def test_a_smaller_micro_batch_counts_from_the_step_it_was_learned_at(
    tmp_path: Path, index: tuple[InputFile, ...], uncut: tuple[str, FakeContext]
) -> None:
    """Two steps whole, then one sample at a time: the same for an attempt that was told from the start."""
    spec, learned = training_spec(STEPS), {"micro_batch": [[2, 1]]}
    first = FakeContext(tmp_path / "cut", spec, index, checks=2)
    train.run(first)
    rest = FakeContext(tmp_path / "cut", spec, index, earlier=first, learned=learned)
    after = train.run(rest)
    told = train.run(FakeContext(tmp_path / "told", spec, index, learned=learned))
    assert isinstance(after, Finished) and isinstance(told, Finished)
    digests = {hashlib.sha256(r.artifacts[0].file.read_bytes()).hexdigest() for r in (after, told)}
    assert len(digests) == 1
    assert uncut[0] not in digests, "the order of sums is another"
    losses = {p.step: p.value for p in uncut[1].published_points if p.name == "loss/total"}
    for point in [*rest.published_points, *after.points]:
        if point.name == "loss/total":
            assert point.value == pytest.approx(losses[point.step], rel=1e-3), "the global batch is the same"


EARLY = {"every_steps": 2, "frames": 4, "window": 1, "min_gain": 0.9}
EARLY_NOW = {
    "every_steps": 1,
    "frames": 4,
    "window": 2,
    "min_gain": 0.9,
    "same_frames": True,
    "by_demonstration": True,
    "lasting_noise": True,
}


@pytest.fixture(scope="module")
def two_held_out(tmp_path_factory: pytest.TempPathFactory) -> tuple[InputFile, ...]:
    """Held-out frames of two demonstrations."""
    files = write_training_index(tmp_path_factory.mktemp("held-out"), frames=4, demonstrations=2)
    return tuple(input_file("validation", "index", name, path) for name, path in files.items())


@pytest.mark.parametrize("early", [EARLY, EARLY_NOW], ids=["before", "now"])
@pytest.mark.parametrize("cuts", [(), (2,), (3,)], ids=str)
def test_a_run_ends_early_at_the_same_step_however_it_was_cut(
    tmp_path: Path,
    index: tuple[InputFile, ...],
    two_held_out: tuple[InputFile, ...],
    cuts: tuple[int, ...],
    early: dict[str, Any],
) -> None:
    """No window of two steps gains 90 %: the second, at step 4, ends the run."""
    spec = training_spec(STEPS, early_stopping=early)
    context: FakeContext | None = None
    for cut in (*cuts, None):
        context = FakeContext(tmp_path, spec, (*index, *two_held_out), earlier=context, checks=cut)
        result = train.run(context)
    assert isinstance(result, Finished) and context is not None
    assert (result.step, result.result) == (4, TrainResult(steps=4))
    (note,) = result.notes
    assert note.kind == "early_stop" and note.message.startswith("stopped at step 4: gain")
    points = [*context.published_points, *result.points]
    measured = [p for p in points if p.name == "validation/action"]
    steps = list(range(early["every_steps"], 5, early["every_steps"]))
    assert [p.step for p in measured] == steps
    of_each = [(p.name, p.step) for p in points if p.name.startswith(OF_DEMONSTRATION)]
    assert of_each == [
        (f"{OF_DEMONSTRATION}{n}", step) for step in steps for n in (0, 1) if early is EARLY_NOW
    ]


@pytest.mark.parametrize("steps", [STEPS, 3])
def test_a_run_that_could_not_be_ended_early_says_why(
    tmp_path: Path, index: tuple[InputFile, ...], steps: int
) -> None:
    """Held-out frames of one demonstration; and no two windows."""
    spec = training_spec(steps, early_stopping=EARLY_NOW)
    result = train.run(FakeContext(tmp_path, spec, (*index, *held_out(index))))
    assert isinstance(result, Finished) and result.step == steps
    (note,) = result.notes
    assert note.kind == "no_early_stop" and note.message.startswith("early stopping could not end this run: ")
    assert ("two windows" in note.message) == (steps == 3)


OPEN_LOOP = {"every_steps": 2, "frames": 3}


def run_measured(
    folder: Path, index: Sequence[InputFile], cuts: Sequence[int], **how: bool
) -> tuple[str, FakeContext]:
    held_out = [dataclasses.replace(f, role=f.role.replace("index", "validation")) for f in index]
    return run_in_slices(folder, training_spec(STEPS, open_loop=OPEN_LOOP), (*index, *held_out), cuts, **how)


def curves(context: FakeContext) -> dict[str, list[tuple[int, float]]]:
    names = ("open_loop/error", "open_loop/gripper_accuracy", "open_loop/loss")
    return {name: [(p.step, p.value) for p in context.published_points if p.name == name] for name in names}


def test_measuring_on_the_way_changes_no_bit_and_gives_the_same_curve_however_it_was_cut(
    tmp_path: Path, index: tuple[InputFile, ...], uncut: tuple[str, FakeContext]
) -> None:
    digest, whole = run_measured(tmp_path / "whole", index, ())
    assert digest == uncut[0]
    error, gripper, loss = curves(whole).values()
    assert all([step for step, _ in curve] == [2, 4, 6] for curve in (error, gripper, loss))
    assert len({value for _, value in loss}) == 3
    assert all(0 < value < 2 for _, value in error) and len({value for _, value in error}) > 1
    assert all(0 <= value <= 1 for _, value in gripper)
    for cuts, remember in (((3,), False), ((2, 2), True)):
        cut, context = run_measured(tmp_path / str(cuts), index, cuts, remember=remember)
        assert cut == digest and curves(context) == curves(whole)


def held_out(index: Sequence[InputFile]) -> list[InputFile]:
    return [dataclasses.replace(f, role=f.role.replace("index", "validation")) for f in index]


def test_a_held_out_loss_that_is_not_finite_ends_a_run_that_compares_it(
    tmp_path: Path, index: tuple[InputFile, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A NaN is smaller than nothing, so the least of such losses would be whichever came first."""
    monkeypatch.setattr(ReconVLA, "action_loss", _nan_when_judged(ReconVLA.action_loss))
    spec = training_spec(STEPS, early_stopping=EARLY)
    with pytest.raises(
        TrainingDiverged, match=r"at step 2 .* not finite in fp32 \(action loss of held-out row 0\)"
    ):
        train.run(FakeContext(tmp_path, spec, (*index, *held_out(index))))


def test_a_figure_for_people_that_cannot_be_had_is_told_and_ends_nothing(
    tmp_path: Path,
    index: tuple[InputFile, ...],
    uncut: tuple[str, FakeContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ReconVLA, "action_loss", _nan_when_judged(ReconVLA.action_loss))
    digest, context = run_measured(tmp_path, index, ())
    assert digest == uncut[0]
    assert not any(curves(context).values())
    told = [(p.step, p.value) for p in context.published_points if p.name == "open_loop/not_finite"]
    assert told == [(2, 1.0), (4, 1.0), (6, 1.0)]


def _nan_when_judged(action_loss: Any) -> Any:
    def damaged(model: ReconVLA, *arguments: Any) -> torch.Tensor:
        loss = action_loss(model, *arguments)
        return loss if model.training else loss * float("nan")

    return damaged


def test_held_out_losses_of_one_report_are_of_the_same_frames(
    tmp_path: Path, index: tuple[InputFile, ...]
) -> None:
    """The last points of both curves and the loss of the finished run are one number, as the weights are the same."""
    held_out = [dataclasses.replace(f, role=f.role.replace("index", "validation")) for f in index]
    early = {"every_steps": 2, "frames": 3, "window": 1, "min_gain": 0.9, "same_frames": True}
    spec = training_spec(STEPS, early_stopping=early, open_loop=OPEN_LOOP)
    context = FakeContext(tmp_path, spec, (*index, *held_out))
    result = train.run(context)
    assert isinstance(result, Finished) and result.step == 4
    points = {(p.name, p.step): p.value for p in [*context.published_points, *result.points]}
    weights = input_file("checkpoint", "checkpoint", "weights", result.artifacts[0].file)
    judged = {"model": spec["model"], "mode": "open_loop", "threads": 1, "frames": 3}
    final = run_open_loop(FakeContext(tmp_path / "judged", judged, (*index, weights)))
    assert isinstance(final, Finished) and final.result.row()["frames"] == 3
    loss = final.result.row()["action_loss"]
    assert points["validation/action", 4] == pytest.approx(loss, rel=1e-6)
    assert points["open_loop/loss", 4] == pytest.approx(loss, rel=1e-6)
    assert points["open_loop/error", 4] == pytest.approx(final.result.row()["mean_absolute_error"], rel=1e-6)
    judged.pop("frames")
    every = run_open_loop(FakeContext(tmp_path / "every", judged, (*index, weights)))
    assert isinstance(every, Finished) and every.result.row()["action_loss"] != pytest.approx(loss, rel=1e-3)


def test_frames_of_its_own_give_early_stopping_another_loss(
    tmp_path: Path, index: tuple[InputFile, ...]
) -> None:
    """Jobs that were planned before losses of one report were of the same frames: two losses of the same weights."""
    early = {"every_steps": 2, "frames": 3, "window": 1, "min_gain": 0.9}
    spec = training_spec(STEPS, early_stopping=early, open_loop=OPEN_LOOP)
    context = FakeContext(tmp_path, spec, (*index, *held_out(index)))
    result = train.run(context)
    points = {(p.name, p.step): p.value for p in [*context.published_points, *result.points]}
    assert points["validation/action", 4] != pytest.approx(points["open_loop/loss", 4], rel=1e-3)
