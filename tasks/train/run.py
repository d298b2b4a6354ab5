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
from tasks.train.early_stopping import EvaluationPoint, decide
from tasks.train.prefetch import Prefetcher
from tasks.train.state import WEIGHTS, Trainee, forget, keep, take_up
from tasks.train.step import train_step

#: Threads that compose pictures while a GPU computes, and steps whose input may wait.
_COMPOSERS, _AHEAD = 8, 2


def run(context: TaskContext[TrainSpec]) -> Finished[TrainResult] | Yielded:
    """Publishes `checkpoint` artifacts: weights and optimizer on the way, weights alone at the end."""
    began = time.perf_counter()
    settings = context.spec.training
    torch.set_num_threads(settings.threads)
    torch.set_deterministic_debug_mode("warn")
    trainee = take_up(context)
    context.spend("load", time.perf_counter() - began)
    schedule = context.memory_limits.micro_batch
    most = settings.micro_batch or settings.batch_size
    pinned = trainee.device.type == "cuda"

    def make(step: int) -> list[Part]:
        micro_batch = micro_batch_at(step, most, schedule)
        return prepare(
            trainee.recipe, trainee.index, context.spec, step, micro_batch, pinned=pinned, pool=pool
        )

    with (
        # Beside a GPU the processor's cores are free; on the processor they compute the steps themselves, and a
        # thread beside them gained nothing that could be measured.
        ThreadPoolExecutor(_COMPOSERS) if pinned else nullcontext() as pool,
        Prefetcher(make, trainee.step, settings.steps, _AHEAD if pinned else 0) as ahead,
        CheckpointWriter(context, trainee.snapshot) as writer,
    ):
        return _Attempt(context, trainee, writer, ahead).run()


class _Attempt:
    """The loop over steps of one slice, and its account of time."""

    def __init__(
        self,
        context: TaskContext[TrainSpec],
        trainee: Trainee,
        writer: CheckpointWriter,
        ahead: Prefetcher[list[Part]],
    ) -> None:
        self._context = context
        self._trainee = trainee
        self._writer = writer
        self._ahead = ahead
        self._settings = context.spec.training
        self._stopping = self._settings.early_stopping
        self._measured: list[EvaluationPoint] = validation.history(context) if self._stopping else []
        self._points: list[Point] = []
        self._saved_at = time.perf_counter()
        self._blocked = 0.0  # what the step under way waited for a copy

    def run(self) -> Finished[TrainResult] | Yielded:
        context, trainee, target = self._context, self._trainee, self._settings.steps
        while trainee.step < target:
            reason = context.should_stop()
            if reason:
                self._checkpoint(wait=True)
                keep(context, trainee)
                return Yielded(reason)
            began, self._blocked = time.perf_counter(), 0.0
            parts = self._ahead.get(trainee.step)
            if self._ahead.ahead:  # the device waited for its input
                waited = time.perf_counter() - began
                context.spend("idle", waited)
                began += waited
            losses = train_step(trainee, self._settings, parts, self._await_copy)
            trainee.step += 1
            replayed = trainee.step <= context.reached
            context.spend("replayed" if replayed else "useful", time.perf_counter() - began - self._blocked)
            context.spend("checkpoint", self._blocked)
            context.report_progress(trainee.step, target, losses)
            if trainee.step % self._settings.log_every_steps == 0 or trainee.step == target:
                self._points += [Point(f"loss/{name}", trainee.step, value) for name, value in losses.items()]
            self._measure_open_loop(replayed)
            note = self._enough() if trainee.step < target else None
            if note is not None:
                return self._finish([note])
            self._writer.check()
            due = time.perf_counter() - self._saved_at >= self._settings.checkpoint_seconds
            if due and trainee.step < target and not self._writer.busy:
                self._checkpoint(wait=False)
        return self._finish([])

    def _enough(self) -> Note | None:
        """Measures on held-out frames where it is due; a note when more training is not worth its time."""
        stopping, trainee = self._stopping, self._trainee
        if stopping is None or trainee.step % stopping.every_steps:
            return None
        began = time.perf_counter()
        measured = validation.evaluate(trainee, stopping.frames, stopping.same_frames)
        self._context.spend("useful", time.perf_counter() - began)
        self._measured.append(measured)
        self._points += validation.points_of(measured)
        decision = decide(self._measured, stopping.window, stopping.min_gain)
        if decision is None or not decision.stop:
            return None
        figures = {"step": trainee.step, "gain": decision.gain, "bound": decision.bound}
        return Note("early_stop", decision.sentence(trainee.step, stopping.min_gain), figures)

    def _measure_open_loop(self, replayed: bool) -> None:
        """Where it is due; for people only, no run ends by it."""
        wanted, trainee = self._settings.open_loop, self._trainee
        if wanted is None or trainee.step % wanted.every_steps:
            return
        began = time.perf_counter()
        self._points += validation.open_loop(trainee, wanted.frames, self._settings.precision)
        self._context.spend("replayed" if replayed else "useful", time.perf_counter() - began)

    def _await_copy(self) -> None:
        began = time.perf_counter()
        self._writer.await_copy()
        self._blocked = time.perf_counter() - began

    def _checkpoint(self, *, wait: bool) -> None:
        """Publish the state after `trainee.step` steps, unless it is already there."""
        context, trainee = self._context, self._trainee
        began = time.perf_counter()
        self._writer.finish()
        if trainee.step != context.step:
            self._writer.begin(trainee.step, trainee.checkpoint_files(), self._points, wait=wait)
            self._points = []
        if wait and self._writer.published is not None:
            trainee.checkpoint = self._writer.published
        self._saved_at = time.perf_counter()
        context.spend("checkpoint", self._saved_at - began)

    def _finish(self, notes: list[Note]) -> Finished[TrainResult]:
        began = time.perf_counter()
        overflowed = None
        if self._trainee.scaler.is_enabled():
            overflowed = self._trainee.step - self._trainee.updates
            notes = [*notes, *_overflows(self._trainee, overflowed)]
        self._writer.finish()
        file = self._context.scratch / "weights.safetensors"
        write_weights(self._trainee.final_weights(), file)
        forget(self._context.memory)
        self._context.spend("checkpoint", time.perf_counter() - began)
        step = self._trainee.step
        drafts = [Draft("checkpoint", WEIGHTS, file)]
        result = TrainResult(steps=step, overflowed_steps=overflowed)
        return Finished(drafts, self._points, result=result, step=step, notes=notes)


def _overflows(trainee: Trainee, left_out: int) -> list[Note]:
    """A note on steps that fp16 left out. Raises TrainingDiverged when these are all: nothing was trained."""
    if not left_out:
        return []
    if left_out == trainee.step:
        raise TrainingDiverged(
            f"gradients overflowed in fp16 in each of {left_out} steps, so nothing was trained: set training.precision "
            "to bf16 or fp32"
        )
    told = f"{left_out} of {trainee.step} steps were left out: their gradients overflowed in fp16"
    return [Note("overflowed_steps", told, {"steps": left_out, "of": trainee.step})]
