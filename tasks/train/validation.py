"""A model in training on held-out frames: its loss with the standard error of its mean, and its actions."""

from __future__ import annotations

import logging
import math

from errors import NotFinite, TrainingDiverged
from models.precision import autocast
from settings.spacing import evenly_spaced
from tasks.context import Point, TaskContext
from tasks.evaluate.open_loop import action_losses, open_loop_error
from tasks.specs import TrainSpec
from tasks.train.early_stopping import EvaluationPoint
from tasks.train.state import TrainState

logger = logging.getLogger("baton.train")

LOSS, ERROR = "validation/action", "validation/action_error"
NOT_FINITE = "open_loop/not_finite"
OPEN_LOOP, GRIPPER, OPEN_LOOP_LOSS = "open_loop/error", "open_loop/gripper_accuracy", "open_loop/loss"


def evaluate(train_state: TrainState, frames: int, same_frames: bool = True) -> EvaluationPoint:
    """Action loss over `frames` frames spread evenly over the validation index (all of them, if fewer).

    same_frames: those of `open_loop` and of the finished run's open-loop error; runs that were planned before this was
    asked for go on with their own. Frames of one demonstration are alike, so the standard error is somewhat too small.
    Raises TrainingDiverged where the loss of a frame is not finite: no comparison with such a mean would say anything.
    """
    index = train_state.validation
    assert index is not None
    count = min(frames, len(index))
    rows = evenly_spaced(len(index), frames)
    if not same_frames:
        rows = [place * len(index) // count for place in range(count)]
    train_state.model.eval()
    try:
        losses = action_losses(train_state.model, train_state.recipe, index, rows)
    except NotFinite as error:
        raise TrainingDiverged(f"at step {train_state.step} {error}; the last checkpoint is kept") from None
    train_state.model.train()
    mean = math.fsum(losses) / count
    variance = math.fsum((loss - mean) ** 2 for loss in losses) / max(1, count - 1)
    return EvaluationPoint(train_state.step, mean, math.sqrt(variance / count))


def open_loop(train_state: TrainState, frames: int, precision: str) -> list[Point]:
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
    return [Point(LOSS, measured.step, measured.loss), Point(ERROR, measured.step, measured.error)]


def history(context: TaskContext[TrainSpec]) -> list[EvaluationPoint]:
    """What earlier attempts measured."""
    errors = {point.step: point.value for point in context.points(ERROR)}
    return [EvaluationPoint(p.step, p.value, errors[p.step]) for p in context.points(LOSS)]
