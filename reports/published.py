"""Rows of the paper's table, for reference: other data, simulator and size, so not comparable with ours.

ReconVLA (arXiv 2508.10333), CALVIN ABC -> D, 500 sequences of five tasks, success in % at 1 to 5 in a row and
average length.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "ReconVLA, arXiv 2508.10333"
SETTING = "CALVIN ABC→D, 7B model, 500 sequences"


@dataclass(frozen=True)
class PublishedRow:
    """`arm`: our name for the same arm, or empty."""

    method: str
    success: tuple[float, float, float, float, float]
    avg_len: float
    arm: str = ""


PUBLISHED = (
    PublishedRow("baseline", (88.8, 76.1, 63.7, 57.0, 49.0), 3.36, "baseline"),
    PublishedRow("explicit grounding", (94.4, 82.5, 70.9, 62.2, 50.2), 3.61, "explicit_grounding"),
    PublishedRow("chain-of-thought grounding", (47.0, 14.3, 1.6, 0.0, 0.0), 0.63, "cot_grounding"),
    PublishedRow("+ whole-image reconstruction", (89.8, 80.3, 67.7, 56.6, 46.5), 3.42, "whole_image_recon"),
    PublishedRow("+ reconstruction loss", (96.8, 86.9, 76.9, 64.9, 58.2), 3.85, "recon"),
    PublishedRow("+ pretraining", (95.6, 87.6, 76.9, 69.3, 64.1), 3.95, "recon_pretrain"),
)


def published_for(arms: frozenset[str]) -> tuple[PublishedRow, ...]:
    """The rows of these arms, in the paper's order; all of them where none is one of ours."""
    return tuple(row for row in PUBLISHED if row.arm in arms) or PUBLISHED
