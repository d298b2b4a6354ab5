"""The report as one HTML page: no script, nothing loaded from elsewhere, light and dark, phone to print."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.curves import curve_svgs
from reports.data import AttentionPanel, GazeExample, Ledger, ReportData, RunReport, TaskScore
from reports.epochs import WORTH, advice_for
from reports.figures import LEDGER_PARTS, ledger_svg, success_svg
from reports.pictures import (
    BRIGHT_SHARES,
    attention_png,
    data_uri,
    frame_png,
    overlay_png,
    reconstruction_png,
)
from reports.published import SETTING, SOURCE, published_for
from reports.summary import Summary
from reports.table import HEADINGS, NOT_MEASURED, Row, table_rows


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
    success, ledger_bars = success_svg(summary), ledger_svg(data.ledger_by_kind)
    sequences = {arm.sequences for arm in summary.arms if arm.sequences}
    return environment.get_template("report.html").render(
        data=data,
        summary=summary,
        sequences=" or ".join(str(count) for count in sorted(sequences)),
        titles={arm.arm: arm.title for arm in summary.arms},
        many_seeds=any(len(arm.seeds) > 1 for arm in summary.arms),
        headings=HEADINGS,
        rows=[_row_view(row) for row in table_rows(summary)],
        published=published_for(frozenset(titles_of(data))),
        published_source=f"{SOURCE}; {SETTING}",
        success_svg=Markup(success) if success else None,
        curve_svgs={name: Markup(svg) for name, svg in curve_svgs(data).items()},
        advice=[(_run_name(run), advice) for run in data.runs if (advice := advice_for(run)) is not None],
        worth=WORTH,
        tasks=_tasks_view(data),
        attention_runs=[(_run_name(run), run.attention) for run in data.runs if run.attention is not None],
        bright_shares=BRIGHT_SHARES,
        panels=[_panel_view(panel) for panel in data.attention_panels],
        reconstructions=[(pair.title, data_uri(reconstruction_png(pair))) for pair in data.reconstructions],
        videos=[(video.caption, _video_uri(video.data)) for video in data.videos],
        gaze={level: scores for level, scores in (data.gaze or {}).items() if scores.frames},
        regions=data.gaze_regions if data.gaze_regions and data.gaze_regions.frames else None,
        overlays=[_overlay_view(example) for example in data.gaze_examples],
        ledger=_ledger_view(data.ledger),
        ledger_svg=Markup(ledger_bars) if ledger_bars else None,
        environment=_environment_view(data),
    )


def titles_of(data: ReportData) -> dict[str, str]:
    """Arm -> what people read for it."""
    return {arm: runs[0].title or arm for arm, runs in data.arms().items()}


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
    source = data_uri(overlay_png(example))
    return {"source": source, "caption": example.caption, "alt": f"{example.caption}; {where}"}


def _panel_view(panel: AttentionPanel) -> dict[str, Any]:
    """The frame, then the same frame under each model's map."""
    pictures = [("what the model sees", data_uri(frame_png(panel)))]
    pictures += [(title, data_uri(attention_png(panel, title))) for title in panel.maps]
    return {"caption": panel.caption, "pictures": pictures}


def _video_uri(data: bytes) -> str:
    return "data:video/mp4;base64," + base64.b64encode(data).decode("ascii")


def _run_name(run: RunReport) -> str:
    return f"{run.title or run.arm}, seed {run.seed}"


def _tasks_view(data: ReportData) -> list[tuple[str, list[TaskScore]]]:
    """Per task the attempts and successes of each arm, over its seeds."""
    arms = data.arms()
    names = sorted({task for run in data.runs for task in run.tasks})
    return [(task.replace("_", " "), [_sum(run.tasks.get(task) for run in runs) for runs in arms.values()])
            for task in names]  # fmt: skip


def _sum(scores: Iterable[TaskScore | None]) -> TaskScore:
    known = [score for score in scores if score is not None]
    return TaskScore(sum(score.attempted for score in known), sum(score.succeeded for score in known))


def _ledger_view(ledger: Ledger) -> list[tuple[str, float | None, float | None]]:
    """(name, seconds, share of the total) per kind of time; shares only when every kind was measured."""
    amounts: list[float | None] = [getattr(ledger, field) for field, _, _ in LEDGER_PARTS]
    known = [amount for amount in amounts if amount is not None]
    total = sum(known) if len(known) == len(amounts) else 0.0
    return [
        (name, amount, amount / total if total and amount is not None else None)
        for (_, name, _), amount in zip(LEDGER_PARTS, amounts, strict=True)
    ]


def _environment_view(data: ReportData) -> list[tuple[str, str]]:
    seeds = sorted({run.seed for run in data.runs})
    rows = [
        ("ablation", data.ablation_id),
        ("seeds", ", ".join(map(str, seeds))),
        ("hardware", data.environment.hardware),
        ("threads", data.environment.threads),
        ("simulator", data.environment.simulator),
    ]
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
