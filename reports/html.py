"""The report as one HTML page: no script, nothing loaded from elsewhere, light and dark, phone to print."""

from __future__ import annotations

import base64
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.data import GazeExample, Ledger, ReportData
from reports.figures import loss_svgs, overlay_png, success_svg
from reports.summary import Summary
from reports.table import HEADINGS, NOT_MEASURED, Row, table_rows

_LEDGER_NAMES = {
    "useful_seconds": "useful steps",
    "replayed_seconds": "steps done again",
    "checkpoint_seconds": "writing checkpoints",
    "load_seconds": "loading",
    "idle_seconds": "idle",
}


def render_html(data: ReportData, summary: Summary) -> str:
    """The whole page. Every text from outside is escaped; only figures drawn here go in as markup."""
    environment = Environment(
        loader=PackageLoader("reports", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"fixed": _fixed, "signed": _signed, "p": _p_value, "duration": duration}
    success = success_svg(summary)
    sequences = {arm.sequences for arm in summary.arms if arm.sequences}
    return environment.get_template("report.html").render(
        data=data,
        summary=summary,
        sequences=" or ".join(str(count) for count in sorted(sequences)),
        titles={arm.arm: arm.title for arm in summary.arms},
        many_seeds=any(len(arm.seeds) > 1 for arm in summary.arms),
        headings=HEADINGS,
        rows=[_row_view(row) for row in table_rows(summary)],
        success_svg=Markup(success) if success else None,
        loss_svgs={name: Markup(svg) for name, svg in loss_svgs(data).items()},
        attention_measured=any(arm.attention for arm in summary.arms),
        gaze={level: scores for level, scores in (data.gaze or {}).items() if scores.frames},
        overlays=[_overlay_view(example) for example in data.gaze_examples],
        ledger=_ledger_view(data.ledger),
        environment=_environment_view(data),
    )


def duration(seconds: float) -> str:
    """Seconds as a person reads them: `41 s`, `3 min 05 s`, `7 h 20 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _row_view(row: Row) -> dict[str, Any]:
    cells = [*zip(row.success, row.success_ci, strict=True), (row.avg_len, row.avg_len_ci)]
    return {
        "method": row.method,
        "cells": cells,
        "trials": row.trials,
        "reference": row.reference,
        "measured": row.avg_len != NOT_MEASURED,
    }


def _overlay_view(example: GazeExample) -> dict[str, str]:
    where = (
        "no gaze region"
        if example.box is None
        else "gaze region at " + ", ".join(f"{v:.0f}" for v in example.box)
    )
    png = base64.b64encode(overlay_png(example)).decode("ascii")
    return {"png": png, "caption": example.caption, "alt": f"{example.caption}; {where}"}


def _ledger_view(ledger: Ledger) -> list[tuple[str, float | None, float | None]]:
    """(name, seconds, share of the total) per kind of time; shares only when every kind was measured."""
    amounts: list[float | None] = [getattr(ledger, field) for field in _LEDGER_NAMES]
    known = [amount for amount in amounts if amount is not None]
    total = sum(known) if len(known) == len(amounts) else 0.0
    return [
        (name, amount, amount / total if total and amount is not None else None)
        for name, amount in zip(_LEDGER_NAMES.values(), amounts, strict=True)
    ]


def _environment_view(data: ReportData) -> list[tuple[str, str]]:
    rows = [("ablation", data.ablation_id), ("hardware", data.environment.hardware)]
    rows += sorted(data.environment.versions.items())
    rows += sorted(data.environment.data_digests.items())
    return [(name, value) for name, value in rows if value]


def _fixed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")


def _p_value(value: float | None) -> str:
    if value is None:
        return NOT_MEASURED
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
