"""How training went: what it took and reached, its curves, and what each epoch brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from reports.curves import curve_svgs
from reports.data import ReportData
from reports.epochs import WORTH, advice_for
from reports.section import Part
from reports.summary import Summary


@dataclass(frozen=True)
class TrainingTable(Part):
    """Steps, device time and losses of each arm."""

    template = "reports.parts/training_table.html"

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object]:
        return {"arms": summary.arms}


@dataclass(frozen=True)
class Curves(Part):
    """Everything that was measured along the way."""

    template = "reports.parts/curves.html"

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object]:
        return {
            "curves": {name: Markup(svg) for name, svg in curve_svgs(data).items()},
            "many_seeds": any(len(arm.seeds) > 1 for arm in summary.arms),
            "open_loop": any(p.name.startswith("open_loop/") for run in data.runs for p in run.curves),
        }


@dataclass(frozen=True)
class Epochs(Part):
    """Whether fewer or more epochs would have done, of each run."""

    template = "reports.parts/epochs.html"

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object] | None:
        known = [(run.name, advice) for run in data.runs if (advice := advice_for(run)) is not None]
        return {"advice": known, "worth": WORTH} if known else None
