"""Bars of the report: success by tasks in a row, and where the time went."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from reports.data import Ledger
from reports.statistics import CHAIN_LENGTH
from reports.summary import Summary
from reports.svg import ARM_COLOURS, INK, legend_name, svg

#: Kinds of device time: the field of `Ledger`, what people read, and its colour.
LEDGER_PARTS = (
    ("useful_seconds", "useful steps", "#0072B2"),
    ("replayed_seconds", "steps done again", "#D55E00"),
    ("checkpoint_seconds", "writing checkpoints", "#E69F00"),
    ("load_seconds", "loading", "#56B4E9"),
    ("idle_seconds", "idle", "#999999"),
)


def success_svg(summary: Summary) -> str | None:
    """Bars of success at 1..5 with 95 % intervals, one colour per arm; None when nothing was measured."""
    measured = [arm for arm in summary.arms if arm.success is not None and arm.success_ci95 is not None]
    if not measured:
        return None
    figure = Figure(figsize=(5.6, 3.1))
    axes = figure.add_subplot()
    width = 0.8 / len(measured)
    for index, arm in enumerate(measured):
        assert arm.success is not None and arm.success_ci95 is not None
        x = np.arange(CHAIN_LENGTH) + (index - (len(measured) - 1) / 2) * width
        rates = 100 * np.array(arm.success)
        below = rates - 100 * np.array([low for low, _ in arm.success_ci95])
        above = 100 * np.array([high for _, high in arm.success_ci95]) - rates
        colour = ARM_COLOURS[index % len(ARM_COLOURS)]
        axes.bar(x, rates, width * 0.9, label=legend_name(arm.title), color=colour)
        axes.errorbar(
            x, rates, np.maximum([below, above], 0), fmt="none", ecolor=INK, elinewidth=1, capsize=2
        )
    axes.set_xticks(range(CHAIN_LENGTH), [f"{k}/5" for k in range(1, CHAIN_LENGTH + 1)])
    axes.set_ylim(0, 100)
    axes.set_ylabel("success (%)")
    axes.set_xlabel("tasks done in a row")
    return svg(figure, axes, "success")


def ledger_svg(ledgers: Mapping[str, Ledger]) -> str | None:
    """One bar of device time per kind of job, in the unit that fits; None when nothing took any time.

    The name of a kind says so where some of its time was not measured.
    """
    totals = {
        kind: sum(getattr(ledger, field) or 0.0 for field, _, _ in LEDGER_PARTS)
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
    for field, name, colour in LEDGER_PARTS:
        values = np.array([(getattr(ledgers[kind], field) or 0.0) / seconds for kind in kinds])
        axes.barh(range(len(kinds)), values, 0.65, left=left, label=legend_name(name), color=colour)
        left += values
    names = [kind if _measured(ledgers[kind]) else f"{kind} (in part)" for kind in kinds]
    axes.set_yticks(range(len(kinds)), names)
    axes.set_xlabel(f"device time ({unit})")
    return svg(figure, axes, "ledger", grid="x", columns=5)


def _measured(ledger: Ledger) -> bool:
    return all(getattr(ledger, field) is not None for field, _, _ in LEDGER_PARTS)


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG, without the date and version that matplotlib would write into it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
