"""Checkpoints beside the work: the moment they show, and what happens when writing fails."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from errors import LeaseLost
from tasks.context import Draft, Point
from tasks.train.checkpoints import CheckpointWriter, Snapshot
from tests.tasks.fake_context import FakeContext


class SlowContext(FakeContext):
    """Publishes only once it is let."""

    def __init__(self, folder: Path, error: Exception | None = None) -> None:
        super().__init__(folder, {})
        self.let = threading.Event()
        self.error = error

    def publish(self, step: int, artifacts: Sequence[Draft], points: Sequence[Point] = ()) -> dict[str, str]:
        assert self.let.wait(30)
        if self.error is not None:
            raise self.error
        return super().publish(step, artifacts, points)


def test_work_goes_on_while_a_checkpoint_of_the_past_is_written(tmp_path: Path) -> None:
    context = SlowContext(tmp_path)
    weights = torch.ones(1000)
    with CheckpointWriter(context, Snapshot()) as writer:
        writer.begin(7, {"weights": {"w": weights}}, [Point("loss", 7, 0.5)], wait=False)
        assert writer.busy and context.step == 0
        writer.await_copy()
        weights += 1  # the next step
        context.let.set()
        writer.finish()
    (file,) = context.published
    assert (file.step, context.step, file.sha256) == (7, 7, writer.published)
    assert load_file(file.path)["w"].unique().tolist() == [1.0], "as it was when the checkpoint began"
    assert context.published_points == [Point("loss", 7, 0.5)]
    assert len(context.saves) == 1


def test_what_a_write_raises_reaches_the_loop_once(tmp_path: Path) -> None:
    context = SlowContext(tmp_path, LeaseLost("fenced"))
    with CheckpointWriter(context, Snapshot()) as writer:
        writer.begin(1, {"weights": {"w": torch.ones(3)}}, [], wait=False)
        writer.check()
        context.let.set()
        with pytest.raises(LeaseLost):
            writer.finish()
        writer.finish()
        writer.check()
    assert context.published == [] and writer.published is None


def test_a_waiting_checkpoint_raises_at_once(tmp_path: Path) -> None:
    context = SlowContext(tmp_path, OSError("No space left on device"))
    context.let.set()
    with CheckpointWriter(context, Snapshot()) as writer, pytest.raises(OSError, match="No space"):
        writer.begin(1, {"weights": {"w": torch.ones(3)}}, [], wait=True)


def test_one_write_at_a_time_in_the_order_they_began(tmp_path: Path) -> None:
    context = SlowContext(tmp_path)
    context.let.set()
    snapshot, weights = Snapshot(), torch.zeros(4)
    with CheckpointWriter(context, snapshot) as writer:
        for step in (1, 2, 3):
            weights += 1
            writer.begin(step, {"weights": {"w": weights}}, [], wait=False)
            writer.await_copy()
        writer.finish()
    assert [(file.step, load_file(file.path)["w"][0].item()) for file in context.published] == [
        (1, 1.0), (2, 2.0), (3, 3.0),
    ]  # fmt: skip


def test_a_copy_that_fails_blocks_nobody(tmp_path: Path) -> None:
    context = SlowContext(tmp_path)
    with CheckpointWriter(context, Snapshot()) as writer:
        writer.begin(1, {"weights": {"w": torch.ones(3, device="meta")}}, [], wait=False)
        writer.await_copy()
        with pytest.raises(NotImplementedError):
            writer.finish()


def test_no_thread_outlives_the_attempt(tmp_path: Path) -> None:
    context = SlowContext(tmp_path)
    with CheckpointWriter(context, Snapshot()) as writer:
        writer.begin(1, {"weights": {"w": torch.ones(3)}}, [], wait=False)
        context.let.set()
    assert not writer.busy and context.step == 1


def test_buffers_follow_tensors_that_change_shape_or_go(tmp_path: Path) -> None:
    snapshot = Snapshot()
    first = snapshot.take({"a": torch.ones(2), "b": torch.ones(3)})
    again = snapshot.take({"a": torch.full((2,), 2.0)})
    assert again["a"].data_ptr() == first["a"].data_ptr() and "b" not in again
    grown = snapshot.take({"a": torch.ones(5), "empty": torch.ones(0)})
    assert grown["a"].tolist() == [1.0] * 5 and grown["empty"].shape == (0,)
