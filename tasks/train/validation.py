"""A model in training on held-out frames: its loss with the standard error of its mean, and its actions."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from statistics import fmean
from typing import Protocol

import torch

from errors import NotFinite, TrainingDiverged
from models.precision import autocast
from models.recipe import Recipe
from models.reconvla import ReconVLA
from settings.points import OF_DEMONSTRATION
from settings.spacing import evenly_spaced
from tasks.context import Point, TaskContext
from tasks.data.index_reader import Index
from tasks.evaluate.open_loop import action_losses, open_loop_error
from tasks.specs import EarlyStoppingSpec, TrainSpec
from tasks.train.early_stopping import EvaluationPoint

logger = logging.getLogger("baton.train")

LOSS, ERROR = "validation/action", "validation/action_error"
NOT_FINITE = "open_loop/not_finite"
OPEN_LOOP, GRIPPER, OPEN_LOOP_LOSS = "open_loop/error", "open_loop/gripper_accuracy", "open_loop/loss"


class InTraining(Protocol):
    """What is measured: a model after `step` steps, and the held-out frames."""

    @property
    def recipe(self) -> Recipe: ...
    @property
    def validation(self) -> Index | None: ...
    @property
    def model(self) -> ReconVLA: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def step(self) -> int: ...


def evaluate(train_state: InTraining, stopping: EarlyStoppingSpec) -> EvaluationPoint:
    """Action loss over held-out frames that are spread evenly over the validation index (all of them, if fewer).

    Raises TrainingDiverged where the loss of a frame is not finite: no comparison with such a mean would say anything.
    """
    index = train_state.validation
    assert index is not None
    rows = _rows(index, stopping)
    count = len(rows)
    train_state.model.eval()
    try:
        losses = action_losses(train_state.model, train_state.recipe, index, rows)
    except NotFinite as error:
        raise TrainingDiverged(f"at step {train_state.step} {error}; the last checkpoint is kept") from None
    train_state.model.train()
    mean = math.fsum(losses) / count
    variance = math.fsum((loss - mean) ** 2 for loss in losses) / max(1, count - 1)
    of_each = _of_demonstrations(index, rows, losses) if stopping.by_demonstration else {}
    return EvaluationPoint(train_state.step, mean, math.sqrt(variance / count), of_each)


def _rows(index: Index, stopping: EarlyStoppingSpec) -> list[int]:
    """Those of `open_loop` and of the finished run's open-loop error; jobs that were planned before this was asked for
    go on with their own."""
    if stopping.same_frames:
        return evenly_spaced(len(index), stopping.frames)
    count = min(stopping.frames, len(index))
    return [place * len(index) // count for place in range(count)]


def _of_demonstrations(index: Index, rows: Sequence[int], losses: Sequence[float]) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for row, loss in zip(rows, losses, strict=True):
        found.setdefault(index.items[row]["demonstration"], []).append(loss)
    return {number: fmean(of_it) for number, of_it in found.items()}


def open_loop(train_state: InTraining, frames: int, precision: str) -> list[Point]:
    """What `tasks.evaluate.open_loop` measures of a finished model, over at most `frames` frames spread evenly.

    Where the model gives numbers that are not finite there is no figure, but the point NOT_FINITE; training goes on,
    as its own losses are looked at in every step.
    """
    index = train_state.validation
    assert index is not None
    rows = evenly_spaced(len(index), frames)
    train_state.model.eval()
    try:
        with autocast(precision, train_state.device):
            error, gripper, _ = open_loop_error(train_state.model, train_state.recipe, index, rows)
            loss = math.fsum(action_losses(train_state.model, train_state.recipe, index, rows)) / len(rows)
    except NotFinite as fault:
        logger.warning("not measured on held-out frames at step %d: %s", train_state.step, fault)
        return [Point(NOT_FINITE, train_state.step, 1.0)]
    finally:
        train_state.model.train()
    return [
        Point(OPEN_LOOP, train_state.step, error),
        Point(GRIPPER, train_state.step, gripper),
        Point(OPEN_LOOP_LOSS, train_state.step, loss),
    ]


def points_of(measured: EvaluationPoint) -> list[Point]:
    """As metric points, which a checkpoint makes durable."""
    step = measured.step
    points = [Point(LOSS, step, measured.loss), Point(ERROR, step, measured.error)]
    return points + [
        Point(f"{OF_DEMONSTRATION}{number}", step, loss)
        for number, loss in sorted(measured.of_demonstrations.items())
    ]


def history(context: TaskContext[TrainSpec]) -> list[EvaluationPoint]:
    """What earlier attempts measured."""
    of_steps: dict[int, dict[str, float]] = {}
    for point in context.points("validation"):
        of_steps.setdefault(point.step, {})[point.name] = point.value
    return [
        EvaluationPoint(
            step,
            values[LOSS],
            values[ERROR],
            {
                int(name.removeprefix(OF_DEMONSTRATION)): value
                for name, value in values.items()
                if name.startswith(OF_DEMONSTRATION)
            },
        )
        for step, values in sorted(of_steps.items())
    ]
