"""Where the models look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from experiments.reconvla.report.attention_scores import AttentionScores, attention_note, over_seeds
from reports.arm_intervals import FEWEST_CROSSED
from reports.data import ReportData, RunReport
from reports.pictures import BRIGHT_SHARES, YELLOW, Box, boxed_png, data_uri, heat_png
from reports.section import Part
from reports.summary import MARK, ArmSummary, Summary


@dataclass(frozen=True)
class AttentionPanel:
    """One held-out frame and where each model looks: (what people read for the model, its map (grid, grid)).

    image: (S, S, 3) uint8 as the model gets it, both cameras in one picture. box: the gaze region in it, in
    px, or None.
    """

    image: NDArray[np.uint8]
    box: Box | None
    caption: str
    maps: tuple[tuple[str, NDArray[np.float32]], ...]


@dataclass(frozen=True)
class Attention(Part):
    """`scores` by arm and seed; runs without were not measured. `looked_at`: of which frames, layer and heads those of
    an arm and seed are; figures can be compared where it is equal."""

    template = "experiments.reconvla.report.parts/attention.html"

    scores: Mapping[tuple[str, int], AttentionScores] = field(default_factory=dict)
    panels: tuple[AttentionPanel, ...] = ()
    looked_at: Mapping[tuple[str, int], str] = field(default_factory=dict)

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object]:
        """`rows`: (name, scores, whether it is one seed of several)."""
        rows: list[tuple[str, AttentionScores, bool]] = []
        others: list[tuple[str, AttentionScores, str]] = []
        beside: str | None = None
        for runs in data.arms().values():
            measured = [run for run in runs if (run.arm, run.seed) in self.scores]
            whole = self._over(runs[0].arm, [run.seed for run in runs])
            if whole is None:
                continue
            several = len(measured) > 1
            name = f"{measured[0].shown}, {len(measured)} seeds" if several else measured[0].name
            by = self.looked_at.get((measured[0].arm, measured[0].seed), "")
            beside = by if beside is None else beside
            if by != beside:
                others.append((name, whole, attention_note(whole)))
                name = f"{name} {MARK}"
            rows.append((name, whole, False))
            if several:
                rows += [(f"seed {run.seed}", self.scores[run.arm, run.seed], True) for run in measured]
        return {
            "rows": rows,
            "prior": rows[0][1]
            if rows
            else None,  # it looks at the frames alone: those of all rows without a mark
            "others": others,
            "note": attention_note(rows[0][1]) if rows else "",
            "demonstrations": _demonstrations([self.scores[which] for which in self.scores]),
            "seeds": any(single for _, _, single in rows),
            "few_seeds": FEWEST_CROSSED - 1,
            "panels": [_pictures(panel) for panel in self.panels],
            "bright_shares": BRIGHT_SHARES,
        }

    def of_arm(self, arm: ArmSummary) -> Mapping[str, object]:
        scores = self._over(arm.arm, arm.seeds)
        if scores is None:
            return {"attention": {"mass_in_gaze": None, "pointing_accuracy": None}}
        figures = asdict(scores)
        del figures["by_demonstration"]  # each run has its own
        return {"attention": figures}

    def of_run(self, run: RunReport) -> Mapping[str, object]:
        scores = self.scores.get((run.arm, run.seed))
        return {"attention": None if scores is None else asdict(scores)}

    def _over(self, arm: str, seeds: Sequence[int]) -> AttentionScores | None:
        """Means over those of `seeds` that were measured."""
        return over_seeds([self.scores[arm, seed] for seed in seeds if (arm, seed) in self.scores])


def _demonstrations(scores: Sequence[AttentionScores]) -> int | None:
    """Of the frames that were looked at; None where runs differ or do not say."""
    counts = {len(one.by_demonstration.get("frames", ())) or None for one in scores}
    return counts.pop() if len(counts) == 1 else None


def _pictures(panel: AttentionPanel) -> Mapping[str, object]:
    """The frame, then the same frame under each model's map."""
    box = (panel.box, YELLOW)
    pictures = [("what the model sees", data_uri(boxed_png(panel.image, box)))]
    pictures += [(title, data_uri(heat_png(panel.image, weights, box))) for title, weights in panel.maps]
    return {"caption": panel.caption, "pictures": pictures}
