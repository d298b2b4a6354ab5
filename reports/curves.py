"""Curves over training steps, with marks where an attempt ended and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.data import LossPoint, ReportData, RunReport, Slice
from reports.svg import ARM_COLOURS, INK, drawn_once, legend_name, svg

LINE_STYLES = ("-", "--", ":", "-.")

#: Curves of more points than this are drawn pale, under their running mean.
_FEW = 40

#: Of the height of a figure: lines that are nearer to one another are one line to the eye.
_APART = 0.005
#: In points: by how much the undermost of lines that coincide is wider than the uppermost, however many they are.
_WIDEST = 10.0

#: Outcome of an attempt -> (what it is called, marker). Attempts that ended with the run have no mark.
MARKS = {
    "yielded": ("slice ended", "|"),
    "preempted": ("preempted", "x"),
    "lost": ("worker lost", "v"),
    "oom": ("out of memory", "s"),
    "failed": ("failed", "D"),
}


@drawn_once
def curve_svgs(data: ReportData) -> dict[str, str]:
    """One figure per curve, by what people read for it: a line per run, colour by arm, dashes by seed (in the order of
    seeds). Of lines that coincide those beneath are drawn wider."""
    lines = [(run, _lines(run)) for run in data.runs]
    titles = {title for _, mine in lines for title in mine}
    return {
        title: _curve_svg(data, title, [(run, mine[title]) for run, mine in lines if title in mine])
        for title in sorted(titles)
    }


def _curve_svg(
    data: ReportData, name: str, lines: Sequence[tuple[RunReport, list[tuple[int, float]]]]
) -> str:
    figure = Figure(figsize=(5.6, 3.1))
    axes = figure.add_subplot()
    arms, marked = list(data.arms()), {}
    above = _coinciding_above([points for _, points in lines])
    wider = min(2.0, _WIDEST / max(above, default=0)) if any(above) else 0.0
    for (run, points), hiding in zip(lines, above):
        steps, values = (np.array(column) for column in zip(*sorted(points), strict=True))
        colour = ARM_COLOURS[arms.index(run.arm) % len(ARM_COLOURS)]
        seeds = sorted(other.seed for other in data.arms()[run.arm])
        style = LINE_STYLES[seeds.index(run.seed) % len(LINE_STYLES)]
        label = legend_name(run.shown) if run.seed == seeds[0] else None
        marker = "o" if len(points) == 1 else None
        if len(points) > _FEW:
            axes.plot(steps, values, color=colour, linewidth=0.8, alpha=0.25)
            values = _running_mean(values, len(points) // _FEW)
        axes.plot(
            steps, values, style, color=colour, label=label, linewidth=1.5 + wider * hiding, marker=marker
        )
        for outcome in _draw_marks(axes, run.attempts, steps, values, colour):
            marked[outcome] = MARKS[outcome]
    for title, marker in marked.values():
        axes.plot([], [], linestyle="", marker=marker, color=INK, label=title, markersize=5)
    axes.set_xlabel("step")
    axes.set_ylabel(legend_name(name))
    axes.set_ylim(bottom=0)
    return svg(figure, axes, name)


def _coinciding_above(lines: Sequence[Sequence[tuple[int, float]]]) -> list[int]:
    """For each line how many of those drawn after it lie on it wherever both have steps, as far as an eye can tell."""
    height = max((value for points in lines for _, value in points), default=0.0)
    places = {
        step: place for place, step in enumerate(dict.fromkeys(p[0] for points in lines for p in points))
    }
    values = np.full((len(lines), len(places)), np.nan)
    for row, points in zip(values, lines, strict=True):
        row[[places[step] for step, _ in points]] = [value for _, value in points]
    found = []
    for place, row in enumerate(values):
        # What one of both has not is a NaN, and no NaN is apart.
        differences = np.abs(values[place + 1 :, ~np.isnan(row)] - row[~np.isnan(row)])
        common = ~np.isnan(differences).all(axis=1)
        found.append(int((common & ~(differences > _APART * height).any(axis=1)).sum()))
    return found


def _running_mean(values: np.ndarray, reach: int) -> np.ndarray:
    """Mean of each value and up to `reach` on both sides, fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    low, high = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    return np.asarray((sums[high] - sums[low]) / (high - low))


def _draw_marks(
    axes: Axes, attempts: Sequence[Slice], steps: np.ndarray, values: np.ndarray, colour: str
) -> list[str]:
    """A mark where each attempt ended, if the line is there. Returns the outcomes that were marked."""
    marked = []
    for outcome, (_, marker) in MARKS.items():
        ends = [
            one.step_to for one in attempts if one.outcome == outcome and steps[0] <= one.step_to <= steps[-1]
        ]
        if ends:
            heights = np.interp(ends, steps, values)
            axes.plot(ends, heights, linestyle="", marker=marker, color=colour, markersize=6)
            marked.append(outcome)
    return marked


def _lines(run: RunReport) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of every point, by what people read for its curve."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for point in run.losses:
        lines.setdefault(f"{point.name} loss", []).append((point.step, point.value))
    for point in run.curves:
        if _is_curve(point):
            lines.setdefault(_readable(point.name), []).append((point.step, point.value))
    return lines


def _is_curve(point: LossPoint) -> bool:
    """Standard errors belong to a curve and are none themselves."""
    return not point.name.endswith("_error")


def _readable(name: str) -> str:
    """`validation/action` as `validation: action`."""
    return name.replace("/", ": ").replace("_", " ")
