"""The headline table: for the terminal, as CSV and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table
from rich.text import Text

from reports.arm_intervals import FEWEST_CROSSED
from reports.csv_cells import csv_text
from reports.data import ReportData
from reports.estimates import METHOD, METHOD_HERE, WEIGHTS, Estimate, Estimates
from reports.metric import Metric
from reports.ruled import Line, ruled_png
from reports.summary import MARK, ArmSummary, Summary
from settings.shown import one_line

NOT_MEASURED = "not measured"
#: Columns of a terminal that has room for frames.
_ROOMY = 100
#: What a longer name has at least.
_NAME = 24
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


_OF = {
    WEIGHTS: "Of one seed: these weights on other sequences (Agresti and Coull; bootstrap for the average), not "
    "another seed.",
    METHOD_HERE: f"Of 2 to {FEWEST_CROSSED - 1} seeds: the method on these sequences (Student's t over seeds).",
    METHOD: f"Of {FEWEST_CROSSED} seeds and more: the method, on other sequences too (t over seeds and sequences).",
}


def interval_captions(summary: Summary) -> str:
    """What the 95 % intervals of the table are of, as far as it has such."""
    rows = [*summary.arms, *([summary.random_policy] if summary.random_policy else [])]
    found = {row.estimates.interval_of for row in rows if row.estimates is not None}
    parts = ["95\N{NO-BREAK SPACE}% intervals.", *(text for which, text in _OF.items() if which in found)]
    if any(comparison.last_look is not None for comparison in summary.comparisons):
        parts.append(
            "They are made as if the number of seeds had been fixed, which looks decided; simulated, they hold nearly "
            "as often."
        )
    parts += _without_interval([row.estimates for row in rows if row.estimates is not None], summary.metric)
    several = any(len(row.evaluated_seeds) > 1 for row in rows)
    return " ".join([*parts, f"n: sequences{' × seeds' if several else ''}."])


def _without_interval(rows: Sequence[Estimates], metric: Metric) -> list[str]:
    """A sentence on the figures without an interval; empty where all have one. Shares of one seed always have."""
    of_one, of_several = (
        any(
            one.interval is None
            for row in rows
            if (row.interval_of == WEIGHTS) is alone
            for one in row.measures
        )
        for alone in (True, False)
    )
    where = [f"between the sequences of one seed (in {metric.headings[-2]} alone)"] * of_one
    where += ["between seeds (in any column)"] * of_several
    if not where:
        return []
    return [f"No interval where nothing varies {' or '.join(where)}, which is not to say that nothing would."]


def seed_lines(summary: Summary) -> list[str]:
    """Each seed's figures of the first share and of the mean, with the standard deviation between seeds, where an arm
    has several; and the seeds that failed."""
    lines = []
    for place in (0, summary.metric.ceiling):
        scale, digits = summary.metric.scale_of(place)
        told = []
        for arm in summary.arms:
            found = None if arm.estimates is None else arm.estimates.measures[place]
            if found is not None and found.spread is not None:
                each = ", ".join(f"{scale * value:.{digits}f}" for value in found.of_seeds)
                told.append(f"{arm.title} {each} (SD {scale * found.spread:.{digits}f})")
        if told:
            lines.append(f"{summary.metric.labels[place]} of each seed: {'; '.join(told)}.")
    return lines + failed_lines(summary)


def failed_lines(summary: Summary) -> list[str]:
    """Sentences for the arms with seeds that are in no figure, as they failed, were cancelled or are not judged yet."""
    failed = [
        f"{arm.title} {len(arm.failed_seeds)} of {len(arm.seeds)} seeds ({', '.join(map(str, arm.failed_seeds))})"
        for arm in summary.arms
        if arm.failed_seeds
    ]
    told = [f"Failed, and in no figure of the table: {'; '.join(failed)}."] if failed else []
    judged = [arm for arm in summary.arms if arm.estimates is not None]
    for said, without in (
        ("Seeds that were cancelled", {arm.title: arm.cancelled_seeds for arm in judged}),
        ("Seeds that are not judged yet", {arm.title: arm.missing_seeds for arm in judged}),
    ):
        named = [f"{title} {', '.join(map(str, seeds))}" for title, seeds in without.items() if seeds]
        told += [f"{said}: {'; '.join(named)}."] if named else []
    return told


@dataclass(frozen=True)
class Row:
    """One method, formatted: values and their 95 % intervals (empty where not measured, or where nothing varies)."""

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


def terminal_table(data: ReportData, summary: Summary, columns: int = _ROOMY) -> Table:
    """The table for `rich.print`; below it why there are no success rates, or what may have lowered them.

    columns: of the terminal; where they are few there is less around the figures, and names are wrapped; where even
    that is too wide, an interval is in two lines. No figure is cut.
    """
    caption = data.closed_loop_warning
    if data.closed_loop_reason:
        caption = f"Success rates not measured: {data.closed_loop_reason}"
    measured = any(arm.estimates is not None for arm in summary.arms)
    captions = (
        caption,
        not_comparable(summary),
        interval_captions(summary) if measured else None,
        *seed_lines(summary),
    )
    caption = " ".join(filter(None, captions))
    if columns >= _ROOMY:
        return _table(data, summary, caption, is_narrow=False, is_stacked=False)
    stacked = _least_columns(data, summary) > columns
    return _table(data, summary, caption, is_narrow=True, is_stacked=stacked)


def _least_columns(data: ReportData, summary: Summary) -> int:
    """Of a narrow table with every interval in one line and names wrapped; two are between figures."""
    rows = table_rows(summary)
    names, *headings = data.metric.headings
    cells = [[*(max(map(len, cell)) for cell in row.cells), len(row.trials)] for row in rows]
    figures = sum(2 + max(len(heading), *found) for heading, *found in zip(headings, *cells, strict=True))
    return min(_NAME, max(len(names), *(len(one_line(row.method)) for row in rows))) + figures


def _table(data: ReportData, summary: Summary, caption: str, *, is_narrow: bool, is_stacked: bool) -> Table:
    table = Table(
        title=Text(one_line(data.ablation), "italic"),
        caption=caption and Text(one_line(caption), "dim italic"),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD if is_narrow else box.HEAVY_HEAD,
        show_edge=not is_narrow,
        padding=(0, 1, 0, 0) if is_narrow else (0, 1),
        pad_edge=not is_narrow,
    )
    for place, heading in enumerate(data.metric.headings):
        table.add_column(
            heading,
            justify="right" if place else "left",
            no_wrap=place > 0,
            overflow="ellipsis" if place else "fold",
        )
    for row in table_rows(summary):
        told = [(_stacked(value), _stacked(below)) for value, below in row.cells] if is_stacked else row.cells
        cells = [
            Text.assemble(value, (f"\n{interval}" if interval else "", "dim")) for value, interval in told
        ]
        table.add_row(one_line(row.method), *cells, row.trials, style="dim" if row.reference else None)
    return table


def _stacked(text: str) -> str:
    """In two lines what has two parts."""
    return text.replace("–", "–\n").replace(" ", "\n")


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
    note = f"Success in %. Below each value: {interval_captions(summary)} – = not measured."
    if data.closed_loop_reason:
        note += f" {data.closed_loop_reason}"
    if (said := not_comparable(summary)) is not None:
        note += f" {said}"
    note = " ".join([note, *seed_lines(summary)])
    step = 0.55 / data.metric.ceiling
    values = [round(0.29 + place * step, 4) for place in range(data.metric.ceiling + 1)]
    return ruled_png(data.metric.headings, [0.03, *values, 0.94], lines, note)


def _row(arm: ArmSummary, metric: Metric, *, reference: bool) -> Row:
    if arm.estimates is None:
        missing = (NOT_MEASURED,) * metric.ceiling
        return Row(arm.shown, missing, ("",) * metric.ceiling, NOT_MEASURED, "", "0", reference)
    seeds, shares, mean = len(arm.evaluated_seeds), arm.estimates.shares, arm.estimates.mean
    return Row(
        method=(_RANDOM if arm.comparable else f"{_RANDOM} {MARK}") if reference else arm.shown,
        success=tuple(f"{100 * share.value:.1f}" for share in shares),
        success_ci=tuple(printed_interval(share, 100, 0, 1) for share in shares),
        mean=f"{mean.value:.{metric.digits}f}",
        mean_ci=printed_interval(mean, 1, metric.digits, metric.digits),
        trials=f"{arm.sequences} × {seeds}" if seeds > 1 else str(arm.sequences),
        reference=reference,
    )


def printed_interval(found: Estimate, scale: float, digits: int, of_value: int) -> str:
    """With more digits where it would have no width, or not hold the value as `of_value` digits have it."""
    if found.interval is None:
        return ""
    for places in range(digits, digits + 5):
        value = float(f"{scale * found.value:.{max(of_value, places)}f}")
        low, high = (f"{scale * edge:.{places}f}" for edge in found.interval)
        if low != high and float(low) <= value <= float(high):
            break
    return f"{low}–{high}"


def _record_fields(metric: Metric) -> Iterator[str]:
    yield from ("arm", "method")
    for name in metric.columns:
        yield from (name, f"{name}_low", f"{name}_high", f"{name}_sd_between_seeds")
    yield from (
        "interval_of",
        "evaluated_seeds",
        "failed_seeds",
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
    if arm.estimates is not None:
        for name, found in zip(metric.columns, arm.estimates.measures, strict=True):
            low, high = found.interval or (None, None)
            record |= {name: found.value, f"{name}_low": low, f"{name}_high": high}
            record[f"{name}_sd_between_seeds"] = found.spread
        record["interval_of"] = arm.estimates.interval_of
    record |= {"evaluated_seeds": len(arm.evaluated_seeds), "failed_seeds": len(arm.failed_seeds)}
    record |= {"sequences": arm.sequences}
    record |= {"train_steps": arm.train_steps, "open_loop_error": arm.open_loop_error}
    record |= {"training_loss": arm.training_loss, "held_out_loss": arm.held_out_loss}
    record["held_out_frames"] = arm.held_out_frames
    record["comparable"] = str(arm.comparable).lower()
    record["held_out_comparable"] = str(arm.held_out_comparable).lower()
    return record
