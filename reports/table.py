"""The headline table: for the terminal, as CSV and as a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from reports.csv_cells import csv_text
from reports.data import ReportData
from reports.metric import Metric
from reports.ruled import Line, ruled_png
from reports.statistics import Interval
from reports.summary import MARK, ArmSummary, Summary
from settings.shown import one_line

NOT_MEASURED = "not measured"
_RANDOM = "random actions"


def not_comparable(summary: Summary) -> str | None:
    """A sentence for the rows with a mark; None without any."""
    marked = [arm.title for arm in summary.arms if not arm.comparable]
    if summary.random_policy is not None and not summary.random_policy.comparable:
        marked.append(_RANDOM)
    if not marked:
        return None
    return (
        f"{MARK} Judged on other sequences or in another simulation than the rows without it, so not comparable with "
        f"them: {', '.join(marked)}."
    )


@dataclass(frozen=True)
class Row:
    """One method, formatted: values and their 95 % intervals (empty where not measured)."""

    method: str
    success: tuple[str, ...]
    success_ci: tuple[str, ...]
    mean: str
    mean_ci: str
    trials: str
    reference: bool = False

    @property
    def measured(self) -> bool:
        return self.mean != NOT_MEASURED

    @property
    def cells(self) -> list[tuple[str, str]]:
        """(value, interval) of each share, then of the mean."""
        return [*zip(self.success, self.success_ci, strict=True), (self.mean, self.mean_ci)]


def table_rows(summary: Summary) -> list[Row]:
    """Formatted rows in display order; the random policy comes last, as a reference."""
    rows = [_row(arm, summary.metric, reference=False) for arm in summary.arms]
    if summary.random_policy is not None:
        rows.append(_row(summary.random_policy, summary.metric, reference=True))
    return rows


def terminal_table(data: ReportData, summary: Summary) -> Table:
    """The table for `rich.print`; below it why there are no success rates, or what may have lowered them."""
    caption = data.closed_loop_warning
    if data.closed_loop_reason:
        caption = f"Success rates not measured: {data.closed_loop_reason}"
    caption = " ".join(filter(None, (caption, not_comparable(summary))))
    table = Table(
        title=Text(one_line(data.ablation), "italic"),
        caption=caption and Text(one_line(caption), "dim italic"),
        title_justify="left",
        caption_justify="left",
    )
    for place, heading in enumerate(data.metric.headings):
        table.add_column(heading, justify="right" if place else "left", no_wrap=True)
    for row in table_rows(summary):
        cells = [
            Text.assemble(value, (f"\n{interval}" if interval else "", "dim"))
            for value, interval in row.cells
        ]
        table.add_row(one_line(row.method), *cells, row.trials, style="dim" if row.reference else None)
    return table


def table_csv(summary: Summary) -> str:
    """CSV with full precision; empty cells were not measured."""
    arms = [*summary.arms, *([summary.random_policy] if summary.random_policy else [])]
    records = [_record(arm, summary.metric) for arm in arms]
    return csv_text(list(_record_fields(summary.metric)), records)


def table_png(data: ReportData, summary: Summary) -> bytes:
    """The table as a PNG, ruled as in a paper."""
    lines = [
        Line(
            row.method,
            [
                *(("–" if value == NOT_MEASURED else value, below) for value, below in row.cells),
                (row.trials, ""),
            ],
            row.reference,
        )
        for row in table_rows(summary)
    ]
    note = "Success in %, 95 % intervals below; – = not measured."
    if data.closed_loop_reason:
        note += f" {data.closed_loop_reason}"
    if (said := not_comparable(summary)) is not None:
        note += f" {said}"
    step = 0.55 / data.metric.ceiling
    values = [round(0.29 + place * step, 4) for place in range(data.metric.ceiling + 1)]
    return ruled_png(data.metric.headings, [0.03, *values, 0.94], lines, note)


def _row(arm: ArmSummary, metric: Metric, *, reference: bool) -> Row:
    if arm.success is None or arm.success_ci95 is None or arm.mean is None or arm.mean_ci95 is None:
        missing = (NOT_MEASURED,) * metric.ceiling
        return Row(arm.shown, missing, ("",) * metric.ceiling, NOT_MEASURED, "", "0", reference)
    seeds = len(arm.evaluated_seeds)
    return Row(
        method=(_RANDOM if arm.comparable else f"{_RANDOM} {MARK}") if reference else arm.shown,
        success=tuple(f"{100 * rate:.1f}" for rate in arm.success),
        success_ci=tuple(_interval(interval, 100, 0) for interval in arm.success_ci95),
        mean=f"{arm.mean:.{metric.digits}f}",
        mean_ci=_interval(arm.mean_ci95, 1, metric.digits),
        trials=f"{arm.sequences} × {seeds}" if seeds > 1 else str(arm.sequences),
        reference=reference,
    )


def _interval(interval: Interval, scale: float, digits: int) -> str:
    return f"{scale * interval[0]:.{digits}f}–{scale * interval[1]:.{digits}f}"


def _record_fields(metric: Metric) -> Iterator[str]:
    yield from ("arm", "method")
    for name in metric.columns:
        yield from (name, f"{name}_low", f"{name}_high")
    yield from (
        "evaluated_seeds",
        "sequences",
        "train_steps",
        "open_loop_error",
        "training_loss",
        "held_out_loss",
        "held_out_frames",
        "comparable",
        "held_out_comparable",
    )


def _record(arm: ArmSummary, metric: Metric) -> dict[str, str | int | float | None]:
    record: dict[str, str | int | float | None] = {"arm": arm.arm, "method": arm.title}
    if arm.success is not None and arm.success_ci95 is not None and arm.mean_ci95 is not None:
        figures = zip([*arm.success, arm.mean], [*arm.success_ci95, arm.mean_ci95], strict=True)
        for name, (value, (low, high)) in zip(metric.columns, figures, strict=True):
            record |= {name: value, f"{name}_low": low, f"{name}_high": high}
    record |= {"evaluated_seeds": len(arm.evaluated_seeds), "sequences": arm.sequences}
    record |= {"train_steps": arm.train_steps, "open_loop_error": arm.open_loop_error}
    record |= {"training_loss": arm.training_loss, "held_out_loss": arm.held_out_loss}
    record["held_out_frames"] = arm.held_out_frames
    record["comparable"] = str(arm.comparable).lower()
    record["held_out_comparable"] = str(arm.held_out_comparable).lower()
    return record
