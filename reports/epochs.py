"""What each epoch still brought, and whether fewer or more would have done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy import stats

from reports.data import LossPoint, RunReport

#: An epoch whose relative gain is surely below this does not pay (one-sided 95 %, Welch's t over the points of two
#: epochs).
WORTH = 0.01
_SURE = 0.95

#: What is judged: held-out loss where it was measured twice in every epoch, else the loss that is trained on.
TRAINED_ON = "action"
HELD_OUT = ("validation/action", "open_loop/loss")


@dataclass(frozen=True)
class Epoch:
    """Mean loss over the points of one epoch; `gain`: its relative fall since the epoch before. `share`: of an epoch's
    steps that the run did. gain_bound: how much `gain` may be off to either side, one-sided 95 %; NaN of single points.
    """

    number: int
    loss: float
    error: float  # standard error of `loss`
    gain: float | None
    gain_error: float | None
    share: float = 1.0
    gain_bound: float = math.nan


@dataclass(frozen=True)
class Advice:
    """Epochs of one curve and what follows from them, in a sentence."""

    curve: str
    epochs: tuple[Epoch, ...]
    sentence: str


def advice_for(run: RunReport) -> Advice | None:
    """None without a curve or without the number of steps in an epoch."""
    if not run.steps_per_epoch:
        return None
    everything = [*run.curves, *run.losses]
    aside = ""
    for curve in (*HELD_OUT, TRAINED_ON):
        points = [point for point in everything if point.name == curve]
        epochs = epochs_of(points, run.steps_per_epoch)
        told = not any(
            math.isnan(epoch.error) for epoch in epochs
        )  # a single point knows nothing of its error
        if points and (told or curve == TRAINED_ON):
            return Advice(curve, epochs, _sentence(epochs, curve != TRAINED_ON) + aside)
        if len(points) > 1:
            first, last = points[0], points[-1]
            aside = (
                f" That is on frames trained on; held out, the loss was {first.value:.3f} at step {first.step}"
                f" and {last.value:.3f} at step {last.step}."
            )
    return None


def last_epochs_loss(run: RunReport) -> float | None:
    """Mean action loss, as training met it, over the steps of the run's last whole epoch or all it has."""
    points = [point for point in run.losses if point.name == TRAINED_ON]
    since = (run.train_steps or 0) - (run.steps_per_epoch or 0)
    last = [point.value for point in points if point.step > since]
    return fmean(last) if run.steps_per_epoch and last else None


def epochs_of(points: Sequence[LossPoint], steps_per_epoch: float) -> tuple[Epoch, ...]:
    """Epochs that have points; the last may be part of one. Step s belongs to epoch ceil(s / length)."""
    values: dict[int, list[float]] = {}
    steps: dict[int, list[int]] = {}
    for point in points:
        number = max(1, math.ceil(point.step / steps_per_epoch))
        values.setdefault(number, []).append(point.value)
        steps.setdefault(number, []).append(point.step)
    epochs: list[Epoch] = []
    sizes: list[int] = []
    for number, losses in sorted(values.items()):
        loss = fmean(losses)
        error = stdev(losses) / math.sqrt(len(losses)) if len(losses) > 1 else math.nan
        gain = gain_error = None
        bound = math.nan
        if epochs and epochs[-1].loss:
            before = epochs[-1]
            gain = (before.loss - loss) / before.loss
            gain_error = math.hypot(before.error, error) / before.loss
            bound = gain_error * _quantile(before.error, sizes[-1], error, len(losses))
        share = min(1.0, max(steps[number]) / steps_per_epoch - (number - 1))
        epochs.append(Epoch(number, loss, error, gain, gain_error, share, bound))
        sizes.append(len(losses))
    return tuple(epochs)


def _sentence(epochs: Sequence[Epoch], held_out: bool) -> str:
    judged = [epoch for epoch in epochs if epoch.gain is not None]
    if not judged:
        return "Less than two epochs: nothing can be said about stopping earlier."
    saturated = len(judged)
    while saturated and _surely_below(judged[saturated - 1]):
        saturated -= 1
    if saturated < len(judged):
        last_useful = judged[saturated].number - 1
        return (
            f"From epoch {last_useful + 1} on every epoch, each by itself, gained surely less than {WORTH:.0%} in this"
            f" loss: for it {last_useful} of {epochs[-1].number} epochs would have done"
            f"{'' if held_out else ', which says nothing of other frames'}."
        )
    last = judged[-1]
    if _surely_positive(last) and last.gain is not None and last.gain > WORTH:
        part = "" if last.share > 0.99 else f" (of which {last.share:.2f} was done)"
        gained = f"The last epoch{part} still gained {last.gain:.1%}"
        if held_out:
            return f"{gained}, what the learning rate did included: more may pay."
        return f"{gained} on what is trained on, which says nothing of other frames."
    return "What the last epoch gained is within its noise: neither more nor fewer epochs can be advised."


def _quantile(error_a: float, points_a: int, error_b: float, points_b: int) -> float:
    """One-sided 95 % of the t of a difference of two means with these standard errors; NaN of a single point."""
    if math.isnan(error_a) or math.isnan(error_b):
        return math.nan
    squares = error_a**2, error_b**2
    parts = squares[0] ** 2 / (points_a - 1) + squares[1] ** 2 / (points_b - 1)
    degrees = sum(squares) ** 2 / parts if parts else points_a + points_b - 2
    return float(stats.t.ppf(_SURE, degrees))


def _surely_below(epoch: Epoch) -> bool:
    """An epoch of a single point has no known error, and nothing is sure about it."""
    return epoch.gain is not None and epoch.gain + epoch.gain_bound < WORTH


def _surely_positive(epoch: Epoch) -> bool:
    return epoch.gain is not None and epoch.gain - epoch.gain_bound > 0
