"""Early stopping of one run: what was measured so far, and whether more training is worth its time."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.context import Note
from tasks.specs import TrainingSpec
from tasks.train.early_stopping import EvaluationPoint, comparisons, decide, decide_as_before, why_never


class Stopping:
    """Of a run with these settings, of which earlier attempts `measured` so much."""

    def __init__(self, settings: TrainingSpec, measured: Sequence[EvaluationPoint]) -> None:
        self._settings, self._stopping = settings, settings.early_stopping
        self._measured = list(measured)

    def due(self, step: int) -> bool:
        return self._stopping is not None and step % self._stopping.every_steps == 0

    def take(self, measured: EvaluationPoint) -> Note | None:
        """A note when more training is not worth its time."""
        stopping = self._stopping
        assert stopping is not None
        self._measured.append(measured)
        window, min_gain = stopping.window, stopping.min_gain
        decision = (
            decide(
                self._measured, window, min_gain, self._comparisons(), lasting_noise=stopping.lasting_noise
            )
            if stopping.by_demonstration
            else decide_as_before(self._measured, window, min_gain)
        )
        if decision is None or not decision.stop:
            return None
        figures = {"step": measured.step, "gain": decision.gain, "bound": decision.bound}
        return Note("early_stop", decision.sentence(measured.step, min_gain), figures)

    def never(self) -> list[Note]:
        """Of a run to whose end early stopping was asked for and could not be."""
        if self._stopping is None or not self._stopping.by_demonstration:
            return []
        why = why_never(self._measured, self._comparisons())
        return [] if why is None else [Note("no_early_stop", f"early stopping could not end this run: {why}")]

    def _comparisons(self) -> int:
        assert self._stopping is not None
        return comparisons(self._settings.steps, self._stopping.every_steps, self._stopping.window)
