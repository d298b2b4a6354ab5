"""Rows of the paper's table, for reference: other data, simulator and size, so not comparable with ours.

ReconVLA (arXiv 2508.10333), CALVIN ABC -> D, 500 sequences of five tasks, success in % at 1 to 5 in a row and
average length.
"""

from __future__ import annotations

from collections.abc import Collection

from reports.published import Published, PublishedRow

#: By our name of the same arm, in the paper's order.
PUBLISHED = {
    "baseline": PublishedRow("baseline", (88.8, 76.1, 63.7, 57.0, 49.0), 3.36, 500),
    "explicit_grounding": PublishedRow("explicit grounding", (94.4, 82.5, 70.9, 62.2, 50.2), 3.61, 500),
    "cot_grounding": PublishedRow("chain-of-thought grounding", (47.0, 14.3, 1.6, 0.0, 0.0), 0.63, 500),
    "whole_image_recon": PublishedRow(
        "+ whole-image reconstruction", (89.8, 80.3, 67.7, 56.6, 46.5), 3.42, 500
    ),
    "recon": PublishedRow("+ reconstruction loss", (96.8, 86.9, 76.9, 64.9, 58.2), 3.85, 500),
    "recon_pretrain": PublishedRow("+ pretraining", (95.6, 87.6, 76.9, 69.3, 64.1), 3.95, 500),
}


def published_for(arms: Collection[str]) -> Published:
    """The rows of these arms; all of them where none is one of ours."""
    rows = tuple(row for arm, row in PUBLISHED.items() if arm in arms) or tuple(PUBLISHED.values())
    return Published(
        "ReconVLA, arXiv 2508.10333",
        "CALVIN ABC→D, 7B model, 500 sequences",
        "other data, scenes and model size",
        rows,
    )
