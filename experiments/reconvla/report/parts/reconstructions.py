"""What the models reconstruct."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.data import ReportData
from reports.pictures import data_uri, side_by_side_png
from reports.section import Part
from reports.summary import Summary


@dataclass(frozen=True)
class Reconstruction:
    """A reconstruction target, the same after the latents (which bounds what a model can do), and what a model
    made of noise; each (H, W, 3) uint8."""

    title: str
    truth: NDArray[np.uint8]
    encoded: NDArray[np.uint8]
    sample: NDArray[np.uint8]


@dataclass(frozen=True)
class Reconstructions(Part):
    """Of held-out frames."""

    template = "experiments.reconvla.report.parts/reconstructions.html"

    shown: tuple[Reconstruction, ...] = ()

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object] | None:
        pictures = [
            (one.title, data_uri(side_by_side_png(one.truth, one.encoded, one.sample))) for one in self.shown
        ]
        return {"pictures": pictures} if pictures else None
