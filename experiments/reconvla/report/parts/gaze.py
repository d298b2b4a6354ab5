"""How well gaze regions were found, where they lie, and what training used of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from experiments.reconvla.report.gaze_data import GazeExample, GazeOfRows, GazeRegions, GazeScores, OtherGaze
from reports.data import ReportData
from reports.pictures import ORANGE, WHITE, YELLOW, boxed_png, data_uri
from reports.section import Part
from reports.summary import Summary


@dataclass(frozen=True)
class Gaze(Part):
    """Of the demonstrations of training and validation, and of a pretraining on the same dataset. `scores` by
    difficulty: `simple`, `complex`, `absent`, `unlabelled`. `others`: of the rows that have others than the first."""

    template = "experiments.reconvla.report.parts/gaze.html"

    scores: Mapping[str, GazeScores] | None = None
    regions: GazeRegions | None = None
    examples: tuple[GazeExample, ...] = ()
    detector: str = ""
    others: tuple[GazeOfRows, ...] = ()

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object]:
        return {
            "levels": _with_frames(self.scores or {}),
            "regions": self.regions if self.regions and self.regions.frames else None,
            "detector": self.detector,
            "overlays": [_overlay(example) for example in self.examples],
            "others": [
                {
                    "rows": other.rows,
                    "detector": other.detector,
                    "levels": _with_frames(other.scores),
                    "regions": other.regions,
                }
                for other in self.others
            ],
        }

    def document(self) -> Mapping[str, object]:
        return {
            "gaze": _scores_json(self.scores),
            "gaze_detector": self.detector or None,
            "gaze_regions": _regions_json(self.regions),
            **({"gaze_of_rows": [_rows_json(other) for other in self.others]} if self.others else {}),
        }


@dataclass(frozen=True)
class PretrainingGaze(Part):
    """Of a dataset that the pretraining has to itself, where there is one."""

    template = "experiments.reconvla.report.parts/pretraining_gaze.html"

    found: OtherGaze | None = None

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object] | None:
        if self.found is None:
            return None
        return {"levels": _with_frames(self.found.scores), "regions": self.found.regions}

    def document(self) -> Mapping[str, object]:
        if self.found is None:
            return {"gaze_pretraining": None}
        return {
            "gaze_pretraining": {
                "dataset": self.found.dataset,
                "gaze": _scores_json(self.found.scores),
                "gaze_regions": _regions_json(self.found.regions),
            }
        }


def _rows_json(other: GazeOfRows) -> dict[str, object]:
    return {
        "rows": list(other.rows),
        "detector": other.detector or None,
        "gaze": _scores_json(other.scores),
        "gaze_regions": _regions_json(other.regions),
    }


def _with_frames(scores: Mapping[str, GazeScores]) -> dict[str, GazeScores]:
    return {level: figures for level, figures in scores.items() if figures.frames}


def _overlay(example: GazeExample) -> dict[str, str]:
    """The frame with the gaze region on it, and beneath that the true box where it is known."""
    where = (
        "no gaze region"
        if example.box is None
        else "gaze region at " + ", ".join(f"{v:.0f}" for v in example.box)
    )
    region = (example.box, YELLOW if example.trusted else ORANGE)
    source = data_uri(boxed_png(example.image, (example.true_box, WHITE), region))
    return {"source": source, "caption": example.caption, "alt": f"{example.caption}; {where}"}


def _scores_json(scores: Mapping[str, GazeScores] | None) -> dict[str, object]:
    """The difficulties that are told simple and complex are there always."""
    levels = dict(scores or {})
    for level in ("simple", "complex"):
        levels.setdefault(level, GazeScores(0, 0, None, None))
    return {
        level: {**asdict(figures), "outcomes": dict(figures.outcomes)} for level, figures in levels.items()
    }


def _regions_json(regions: GazeRegions | None) -> dict[str, object] | None:
    if regions is None:
        return None
    objects = {name: {**asdict(scores), "rate": scores.rate} for name, scores in regions.objects.items()}
    return {
        **asdict(regions),
        "objects": objects,
        "untrusted": regions.with_region - regions.trusted,
        "without_region": regions.without_region,
    }
