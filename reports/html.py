"""The report as one HTML page: no script, nothing loaded from elsewhere, light and dark, phone to print."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.attention import attention_note
from reports.comparisons import MEASURES, METHODS, NOT_COMPARED, comparison_rows, p_words, signed
from reports.curves import curve_svgs
from reports.data import AttentionPanel, AttentionScores, Ledger, ReportData, RunReport, TaskScore
from reports.epochs import WORTH, advice_for
from reports.figures import LEDGER_PARTS, ledger_svg, success_svg
from reports.gaze_data import GazeExample
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
from settings.shown import plain

#: Failed jobs that are named; of more only the number.
FAILURES_SHOWN = 8

#: States in which nothing will change by itself.
_ENDED = ("succeeded", "failed", "cancelled")


def render_html(data: ReportData, summary: Summary) -> str:
    """The whole page. Every text from outside is escaped; only figures drawn here go in as markup."""
    environment = Environment(
        loader=PackageLoader("reports", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_readable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"fixed": _fixed, "signed": signed, "p": p_words, "duration": duration}
    success, ledger_bars = success_svg(summary), ledger_svg(data.ledger_by_kind)
    sequences = {arm.sequences for arm in summary.arms if arm.sequences}
    return environment.get_template("report.html").render(
        data=data,
        summary=summary,
        sequences=" or ".join(str(count) for count in sorted(sequences)),
        standing=_standing(data),
        written=_written(data.created_at),
        failures_shown=FAILURES_SHOWN,
        many_seeds=any(len(arm.seeds) > 1 for arm in summary.arms),
        headings=HEADINGS,
        average_heading=HEADINGS[-2],
        rows=[_row_view(row) for row in table_rows(summary)],
        published=published_for(frozenset(titles_of(data))),
        published_source=f"{SOURCE}; {SETTING}",
        success_svg=Markup(success) if success else None,
        comparisons=comparison_rows(summary),
        comparison_measures=MEASURES,
        comparison_methods=METHODS,
        not_compared=NOT_COMPARED,
        curve_svgs={name: Markup(svg) for name, svg in curve_svgs(data).items()},
        open_loop_curve=any(point.name.startswith("open_loop/") for run in data.runs for point in run.curves),
        advice=[(_run_name(run), advice) for run in data.runs if (advice := advice_for(run)) is not None],
        worth=WORTH,
        tasks=_tasks_view(data),
        attention=_attention_view(data, summary),
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


def _standing(data: ReportData) -> str:
    """How much of the work is behind these figures: `Failed: 37 of 42 jobs have succeeded, 2 failed, 3 blocked`."""
    done, total = data.jobs.get("succeeded", 0), sum(data.jobs.values())
    if not total:
        return ""
    if done == total:
        return "The one job has succeeded." if total == 1 else f"All {total} jobs have succeeded."
    others = [f"{count} {state}" for state, count in data.jobs.items() if count and state != "succeeded"]
    verdict = data.state if data.state in _ENDED else f"not finished ({data.state})"
    return f"{verdict.capitalize()}: {', '.join([f'{done} of {total} jobs have succeeded', *others])}."


def _written(seconds: float | None) -> str:
    """Day and minute, UTC; empty where not known."""
    if seconds is None:
        return ""
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M} UTC"


def _readable(value: Any) -> Any:
    """What reorders or hides what stands beside it is shown escaped; figures drawn here are markup."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _attention_view(data: ReportData, summary: Summary) -> dict[str, Any] | None:
    """Rows (name, scores, whether it is one seed of several), and what the figures are of; None without any."""
    rows: list[tuple[str, AttentionScores, bool]] = []
    for arm in summary.arms:
        if arm.attention is None:
            continue
        runs = [(run, run.attention) for run in data.arms()[arm.arm] if run.attention is not None]
        rows.append((arm.title if len(runs) > 1 else _run_name(runs[0][0]), arm.attention, False))
        rows += [(f"seed {run.seed}", scores, True) for run, scores in runs if len(runs) > 1]
    if not rows:
        return None
    first = rows[0][1]
    return {
        "rows": rows,
        "prior": first,  # it looks at the frames alone, which are the same for all
        "note": attention_note(first),
        "seeds": any(single for _, _, single in rows),
    }


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
        ("precision", data.environment.precision),
        ("simulator", data.environment.simulator),
    ]
    rows += [("not one environment", sentence) for sentence in data.environment.mixed]
    rows += [(f"data of {source.purpose}", source.told) for source in data.data]
    rows += sorted(data.environment.versions.items())
    rows += sorted(data.environment.data_digests.items())
    rows += [
        (f"weights of {run}", f"{weights.path} (SHA-256 {weights.sha256})")
        for run, weights in data.environment.final_weights.items()
    ]
    return [(name, value) for name, value in rows if value]


def _fixed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−")
