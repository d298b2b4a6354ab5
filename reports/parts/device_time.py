"""Where device time went, by what it was spent on and by kind of job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from reports.data import ReportData
from reports.section import Part
from reports.summary import Summary
from reports.svg import legend_name, svg

#: Kinds of device time: the field of `Ledger`, what people read, and its colour.
PARTS_OF_TIME = (
    ("useful_seconds", "useful steps", "#0072B2"),
    ("replayed_seconds", "steps done again", "#D55E00"),
    ("checkpoint_seconds", "writing checkpoints", "#E69F00"),
    ("load_seconds", "loading", "#56B4E9"),
    ("idle_seconds", "idle", "#999999"),
)


@dataclass(frozen=True)
class Ledger:
    """Where device time went, in seconds, and how many attempts were preempted, or lost with their workers (one that
    had no job when it went is in none). None: not measured."""

    useful_seconds: float | None = None
    replayed_seconds: float | None = None
    checkpoint_seconds: float | None = None
    load_seconds: float | None = None
    idle_seconds: float | None = None
    preemptions: int = 0
    losses: int = 0


@dataclass(frozen=True)
class DeviceTime(Part):
    """Of all jobs together, and of each kind."""

    template = "reports.parts/device_time.html"

    total: Ledger = field(default_factory=Ledger)
    by_kind: Mapping[str, Ledger] = field(default_factory=dict)

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object]:
        bars = ledger_svg(self.by_kind)
        return {"rows": _rows(self.total), "total": self.total, "bars": Markup(bars) if bars else None}

    def document(self) -> Mapping[str, object]:
        by_kind = {kind: asdict(ledger) for kind, ledger in self.by_kind.items()}
        return {"ledger": asdict(self.total), "ledger_by_kind": by_kind}


def _rows(ledger: Ledger) -> list[tuple[str, float | None, float | None]]:
    """(name, seconds, share of the total) per kind of time; shares only when every kind was measured."""
    amounts: list[float | None] = [getattr(ledger, bucket) for bucket, _, _ in PARTS_OF_TIME]
    known = [amount for amount in amounts if amount is not None]
    total = sum(known) if len(known) == len(amounts) else 0.0
    return [
        (name, amount, amount / total if total and amount is not None else None)
        for (_, name, _), amount in zip(PARTS_OF_TIME, amounts, strict=True)
    ]


def ledger_svg(ledgers: Mapping[str, Ledger]) -> str | None:
    """One bar of device time per kind of job, in the unit that fits; None when nothing took any time.

    The name of a kind says so where some of its time was not measured.
    """
    totals = {
        kind: sum(getattr(ledger, bucket) or 0.0 for bucket, _, _ in PARTS_OF_TIME)
        for kind, ledger in ledgers.items()
    }
    kinds = [kind for kind, total in totals.items() if total > 0][::-1]
    if not kinds:
        return None
    longest = max(totals.values())
    unit, seconds = (
        ("hours", 3600.0) if longest >= 3600 else ("minutes", 60.0) if longest >= 60 else ("seconds", 1.0)
    )
    figure = Figure(figsize=(6.4, 0.9 + 0.32 * len(kinds)))
    axes = figure.add_subplot()
    left = np.zeros(len(kinds))
    for bucket, name, colour in PARTS_OF_TIME:
        values = np.array([(getattr(ledgers[kind], bucket) or 0.0) / seconds for kind in kinds])
        axes.barh(range(len(kinds)), values, 0.65, left=left, label=legend_name(name), color=colour)
        left += values
    names = [kind if _measured(ledgers[kind]) else f"{kind} (in part)" for kind in kinds]
    axes.set_yticks(range(len(kinds)), names)
    axes.set_xlabel(f"device time ({unit})")
    return svg(figure, axes, "ledger", grid="x", columns=5)


def _measured(ledger: Ledger) -> bool:
    return all(getattr(ledger, bucket) is not None for bucket, _, _ in PARTS_OF_TIME)
