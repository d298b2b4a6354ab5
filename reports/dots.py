"""Every trained model as a dot: success of each seed with the arm's interval, and differences to the baseline."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from reports.estimates import WEIGHTS
from reports.summary import Summary
from reports.svg import ARM_COLOURS, INK, drawn_once, legend_name, svg


@drawn_once
def success_svg(summary: Summary) -> str | None:
    """Each share: a dot for each seed, the arm's mean as a line with its 95 % interval; None when nothing was
    measured."""
    measured = [(arm, arm.estimates) for arm in summary.arms if arm.estimates is not None]
    if not measured:
        return None
    metric = summary.metric
    figure = Figure(figsize=(5.6, 3.1))
    axes = figure.add_subplot()
    width = 0.8 / len(measured)
    for index, (arm, found) in enumerate(measured):
        colour = ARM_COLOURS[index % len(ARM_COLOURS)]
        for place, share in enumerate(found.shares):
            x = place + (index - (len(measured) - 1) / 2) * width
            seeds = np.array(share.of_seeds)
            spread = np.linspace(-0.22, 0.22, len(seeds)) * width if len(seeds) > 1 else np.zeros(1)
            label = legend_name(arm.title) if place == 0 else None
            axes.plot(x + spread, 100 * seeds, "o", color=colour, markersize=3.5, alpha=0.8, label=label)
            axes.plot(
                [x - 0.35 * width, x + 0.35 * width], [100 * share.value] * 2, color=colour, linewidth=2
            )
            if share.interval is not None:
                low, high = share.interval
                style = ":" if found.interval_of == WEIGHTS else "-"
                axes.plot([x, x], [100 * low, 100 * high], style, color=INK, linewidth=0.9)
    axes.set_xticks(range(metric.ceiling), metric.rates)
    axes.set_ylim(-2, 102)
    axes.set_ylabel("success (%)")
    axes.set_xlabel(legend_name(metric.unit))
    return svg(figure, axes, "success")


@drawn_once
def differences_svg(summary: Summary) -> str | None:
    """The primary measure of each arm minus the baseline's with its 95 % interval, a
    cross where there is no interval. None when nothing was compared."""
    compared = [(c, c.main) for c in summary.comparisons if c.main is not None]
    if not compared:
        return None
    scale, _ = summary.metric.scale_of(summary.primary)
    titles = {arm.arm: arm.title for arm in summary.arms}
    names = [legend_name(titles[c.b], 30) for c, _ in reversed(compared)]
    row = max(0.4, 0.06 + 0.17 * max(1 + name.count("\n") for name in names))  # inches, of lines of 10 pt
    figure = Figure(figsize=(5.6, 0.9 + row * len(compared)))
    axes = figure.add_subplot()
    for place, (comparison, main) in enumerate(reversed(compared)):
        colour = ARM_COLOURS[[arm.arm for arm in summary.arms].index(comparison.b) % len(ARM_COLOURS)]
        if main.interval is not None:
            axes.plot([scale * edge for edge in main.interval], [place] * 2, color=INK, linewidth=1.2)
        marker = "o" if main.interval is not None else "x"
        of = "these two models" if comparison.interval_of == "weights" else "the methods"
        label = legend_name(f"{titles[comparison.b]} ({of})")
        axes.plot([scale * main.delta], [place], marker, color=colour, markersize=6, label=label)
    axes.axvline(0, color=INK, linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(compared)), names)
    axes.set_ylim(-0.6, len(compared) - 0.4)
    label, unit = summary.metric.labels[summary.primary], summary.metric.unit_of(summary.primary)
    axes.set_xlabel(legend_name(f"{label} minus that of {titles[summary.baseline or '']} ({unit})"))
    return svg(figure, axes, "differences", grid="x")
