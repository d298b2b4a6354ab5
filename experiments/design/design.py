"""What of an ablation decides how much it can find."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Design:
    """`arms`: names of rows that are trained, the baseline first. `seeds`: of each. `sequences`: of each model's
    evaluation."""

    arms: tuple[str, ...]
    seeds: int
    sequences: int
