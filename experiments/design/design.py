"""What of an ablation decides how much it can find."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.design.decision import Rules


@dataclass(frozen=True)
class Design:
    """`arms`: names of rows that are trained, the baseline first. `seeds`: of each. `sequences`: of each model's
    evaluation. `rules`: of adaptive seeds; None where they are named. `sd`: of a model's measure between seeds, where
    somebody says so."""

    arms: tuple[str, ...]
    seeds: int
    sequences: int
    rules: Rules | None = None
    sd: float | None = None
