"""Training in time slices: steps until told to stop, a checkpoint, and exactly on from there.

A run that was cut into slices ends with the same bits as one that was not: weights, optimizer state and
the step are all there is, as batches, noise and timesteps are functions of (seed, step).
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import torch

from errors import TrainingDiverged
from models.weights import write_weights
from tasks.context import Draft, Finished, Note, Point, TaskContext, Yielded
from tasks.results import TrainResult
from tasks.specs import TrainSpec
from tasks.train import validation
from tasks.train.batches import Part, micro_batch_at, prepare
from tasks.train.checkpoints import CheckpointWriter
from tasks.train.prefetch import Prefetcher
from tasks.train.state import WEIGHTS, TrainState, forget, keep, take_up
from tasks.train.step import train_step
from tasks.train.stopping import Stopping

#: Threads that compose pictures while a GPU computes, and steps whose input may wait.
_COMPOSERS, _AHEAD = 8, 2


def run(context: TaskContext[TrainSpec]) -> Finished[TrainResult] | Yielded:
    """Publishes `checkpoint` artifacts: weights and optimizer on the way, weights alone at the end.

    Over several devices `tasks.train.gang` does it, and on one where several were before.
    """
    began = time.perf_counter()
    settings = context.spec.training
    of_ranks = bool(context.resume) and all(file.name != WEIGHTS for file in context.resume)
    if settings.devices > 1 or of_ranks:
        from tasks.train.gang import attempt  # on use: few jobs do

        return attempt.run(context)
    torch.set_num_threads(settings.threads)
    torch.set_deterministic_debug_mode("warn")
    train_state = take_up(context)
    context.spend("load", time.perf_counter() - began)
    schedule = context.memory_limits.micro_batch
    most = settings.micro_batch or settings.batch_size
    pinned = train_state.device.type == "cuda"

    def make(step: int) -> list[Part]:
        micro_batch = micro_batch_at(step, most, schedule)
        return prepare(
            train_state.recipe, train_state.index, context.spec, step, micro_batch, pinned=pinned, pool=pool
        )

    with (
        # Beside a GPU the processor's cores are free; on the processor they compute the steps themselves, and a
        # thread beside them gained nothing that could be measured.
        ThreadPoolExecutor(_COMPOSERS) if pinned else nullcontext() as pool,
        Prefetcher(make, train_state.step, settings.steps, _AHEAD if pinned else 0) as ahead,
        CheckpointWriter(context, train_state.snapshot) as writer,
    ):
        return _Attempt(context, train_state, writer, ahead).run()


class _Attempt:
    """The loop over steps of one slice, and its account of time."""

    def __init__(
        self,
        context: TaskContext[TrainSpec],
        train_state: TrainState,
        writer: CheckpointWriter,
        ahead: Prefetcher[list[Part]],
    ) -> None:
        self._context = context
        self._train_state = train_state
        self._writer = writer
        self._ahead = ahead
        self._settings = context.spec.training
        asked = self._settings.early_stopping is not None
        self._stopping = Stopping(self._settings, validation.history(context) if asked else [])
        self._points: list[Point] = []
        self._saved_at = time.perf_counter()
        self._blocked = 0.0  # what the step under way waited for a copy

    def run(self) -> Finished[TrainResult] | Yielded:
        context, train_state, target = self._context, self._train_state, self._settings.steps
        while train_state.step < target:
            reason = context.should_stop()
            if reason:
                self._checkpoint(wait=True)
                keep(context, train_state)
                return Yielded(reason)
            began, self._blocked = time.perf_counter(), 0.0
            parts = self._ahead.get(train_state.step)
            if self._ahead.ahead:  # the device waited for its input
                waited = time.perf_counter() - began
                context.spend("idle", waited)
                began += waited
            losses = train_step(train_state, self._settings, parts, self._await_copy)
            train_state.step += 1
            replayed = train_state.step <= context.reached
            context.spend("replayed" if replayed else "useful", time.perf_counter() - began - self._blocked)
            context.spend("checkpoint", self._blocked)
            context.report_progress(train_state.step, target, losses)
            if train_state.step % self._settings.log_every_steps == 0 or train_state.step == target:
                self._points += [
                    Point(f"loss/{name}", train_state.step, value) for name, value in losses.items()
                ]
            self._measure_open_loop(replayed)
            note = self._enough() if train_state.step < target else None
            if note is not None:
                return self._finish([note])
            self._writer.check()
            due = time.perf_counter() - self._saved_at >= self._settings.checkpoint_seconds
            if due and train_state.step < target and not self._writer.busy:
                self._checkpoint(wait=False)
        return self._finish(self._stopping.never())

    def _enough(self) -> Note | None:
        """Measures on held-out frames where it is due; a note when more training is not worth its time."""
        asked, train_state = self._settings.early_stopping, self._train_state
        if asked is None or not self._stopping.due(train_state.step):
            return None
        began = time.perf_counter()
        measured = validation.evaluate(train_state, asked)
        self._context.spend("useful", time.perf_counter() - began)
        self._points += validation.points_of(measured)
        return self._stopping.take(measured)

    def _measure_open_loop(self, replayed: bool) -> None:
        """Where it is due; for people only, no run ends by it."""
        wanted, train_state = self._settings.open_loop, self._train_state
        if wanted is None or train_state.step % wanted.every_steps:
            return
        began = time.perf_counter()
        self._points += validation.open_loop(train_state, wanted.frames, self._settings.precision)
        self._context.spend("replayed" if replayed else "useful", time.perf_counter() - began)

    def _await_copy(self) -> None:
        began = time.perf_counter()
        self._writer.await_copy()
        self._blocked = time.perf_counter() - began

    def _checkpoint(self, *, wait: bool) -> None:
        """Publish the state after `train_state.step` steps, unless it is already there."""
        context, train_state = self._context, self._train_state
        began = time.perf_counter()
        self._writer.finish()
        if train_state.step != context.step:
            self._writer.begin(train_state.step, train_state.checkpoint_files(), self._points, wait=wait)
            self._points = []
        if wait and self._writer.published is not None:
            train_state.checkpoint = self._writer.published
        self._saved_at = time.perf_counter()
        context.spend("checkpoint", self._saved_at - began)

    def _finish(self, notes: list[Note]) -> Finished[TrainResult]:
        began = time.perf_counter()
        overflowed = None
        if self._train_state.scaler.is_enabled():
            overflowed = self._train_state.step - self._train_state.updates
            notes = [*notes, *_overflows(self._train_state, overflowed)]
        self._writer.finish()
        file = self._context.scratch / "weights.safetensors"
        write_weights(self._train_state.final_weights(), file)
        forget(self._context.memory)
        self._context.spend("checkpoint", time.perf_counter() - began)
        step = self._train_state.step
        drafts = [Draft("checkpoint", WEIGHTS, file)]
        result = TrainResult(steps=step, overflowed_steps=overflowed)
        return Finished(drafts, self._points, result=result, step=step, notes=notes)


def _overflows(train_state: TrainState, left_out: int) -> list[Note]:
    """A note on steps that fp16 left out. Raises TrainingDiverged when these are all: nothing was trained."""
    if not left_out:
        return []
    if left_out == train_state.step:
        raise TrainingDiverged(
            f"gradients overflowed in fp16 in each of {left_out} steps, so nothing was trained: set training.precision "
            "to bf16 or fp32"
        )
    told = f"{left_out} of {train_state.step} steps were left out: their gradients overflowed in fp16"
    return [Note("overflowed_steps", told, {"steps": left_out, "of": train_state.step})]
