"""The headline table: for the terminal, as CSV and as a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from reports.csv_cells import csv_text
from reports.data import ReportData
from reports.ruled import Line, ruled_png
from reports.statistics import CHAIN_LENGTH, Interval
from reports.summary import ArmSummary, Summary
from settings.shown import one_line

NOT_MEASURED = "not measured"
HEADINGS = ("Method", *(f"{k}/5" for k in range(1, CHAIN_LENGTH + 1)), "Avg. len.", "n")


@dataclass(frozen=True)
class Row:
    """One method, formatted: values and their 95 % intervals (empty where not measured)."""

    method: str
    success: tuple[str, ...]
    success_ci: tuple[str, ...]
    avg_len: str
    avg_len_ci: str
    trials: str
    reference: bool = False


def table_rows(summary: Summary) -> list[Row]:
    """Formatted rows in display order; the random policy comes last, as a reference."""
    rows = [_row(arm, reference=False) for arm in summary.arms]
    if summary.random_policy is not None:
        rows.append(_row(summary.random_policy, reference=True))
    return rows


def terminal_table(data: ReportData, summary: Summary) -> Table:
    """The table for `rich.print`; below it why there are no success rates, or what may have lowered them."""
    caption = data.closed_loop_warning
    if data.closed_loop_reason:
        caption = f"Success rates not measured: {data.closed_loop_reason}"
    table = Table(
        title=Text(one_line(data.ablation), "italic"),
        caption=caption and Text(one_line(caption), "dim italic"),
        title_justify="left",
        caption_justify="left",
    )
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "Method" else "right", no_wrap=True)
    for row in table_rows(summary):
        cells = [
            Text.assemble(value, (f"\n{interval}" if interval else "", "dim"))
            for value, interval in _pairs(row)
        ]
        table.add_row(one_line(row.method), *cells, row.trials, style="dim" if row.reference else None)
    return table


def table_csv(summary: Summary) -> str:
    """CSV with full precision; empty cells were not measured."""
    arms = [*summary.arms, *([summary.random_policy] if summary.random_policy else [])]
    records = [_record(arm) for arm in arms]
    return csv_text(list(_record_fields()), records)


def table_png(data: ReportData, summary: Summary) -> bytes:
    """The table as a PNG, ruled as in a paper."""
    lines = [
        Line(
            row.method,
            [
                *(("–" if value == NOT_MEASURED else value, below) for value, below in _pairs(row)),
                (row.trials, ""),
            ],
            row.reference,
        )
        for row in table_rows(summary)
    ]
    note = "Success in %, 95 % intervals below; – = not measured."
    if data.closed_loop_reason:
        note += f" {data.closed_loop_reason}"
    return ruled_png(HEADINGS, [0.03, 0.29, 0.40, 0.51, 0.62, 0.73, 0.84, 0.94], lines, note)


def _pairs(row: Row) -> list[tuple[str, str]]:
    return [*zip(row.success, row.success_ci, strict=True), (row.avg_len, row.avg_len_ci)]


def _row(arm: ArmSummary, *, reference: bool) -> Row:
    if arm.success is None or arm.success_ci95 is None or arm.avg_len is None or arm.avg_len_ci95 is None:
        missing = (NOT_MEASURED,) * CHAIN_LENGTH
        return Row(arm.title, missing, ("",) * CHAIN_LENGTH, NOT_MEASURED, "", "0", reference)
    seeds = len(arm.evaluated_seeds)
    return Row(
        method="random actions" if reference else arm.title,
        success=tuple(f"{100 * rate:.1f}" for rate in arm.success),
        success_ci=tuple(_interval(interval, 100, 0) for interval in arm.success_ci95),
        avg_len=f"{arm.avg_len:.2f}",
        avg_len_ci=_interval(arm.avg_len_ci95, 1, 2),
        trials=f"{arm.sequences} × {seeds}" if seeds > 1 else str(arm.sequences),
        reference=reference,
    )


def _interval(interval: Interval, scale: float, digits: int) -> str:
    return f"{scale * interval[0]:.{digits}f}–{scale * interval[1]:.{digits}f}"


def _record_fields() -> Iterator[str]:
    yield from ("arm", "method")
    for name in (*(f"success_{k}" for k in range(1, CHAIN_LENGTH + 1)), "avg_len"):
        yield from (name, f"{name}_low", f"{name}_high")
    yield from (
        "evaluated_seeds",
        "sequences",
        "train_steps",
        "open_loop_error",
        "training_loss",
        "held_out_loss",
        "held_out_frames",
    )


def _record(arm: ArmSummary) -> dict[str, str | int | float | None]:
    record: dict[str, str | int | float | None] = {"arm": arm.arm, "method": arm.title}
    for k, (rate, (low, high)) in enumerate(
        zip(arm.success or (), arm.success_ci95 or (), strict=True), start=1
    ):
        record |= {f"success_{k}": rate, f"success_{k}_low": low, f"success_{k}_high": high}
    if arm.avg_len_ci95 is not None:
        low, high = arm.avg_len_ci95
        record |= {"avg_len": arm.avg_len, "avg_len_low": low, "avg_len_high": high}
    record |= {"evaluated_seeds": len(arm.evaluated_seeds), "sequences": arm.sequences}
    record |= {"train_steps": arm.train_steps, "open_loop_error": arm.open_loop_error}
    record |= {"training_loss": arm.training_loss, "held_out_loss": arm.held_out_loss}
    record["held_out_frames"] = arm.held_out_frames
    return record
