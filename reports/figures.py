"""Bars of success, and figures as PNG."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure

from reports.summary import Summary
from reports.svg import ARM_COLOURS, INK, legend_name, svg


def success_svg(summary: Summary) -> str | None:
    """Bars of each share with 95 % intervals, one colour per arm; None when nothing was measured."""
    measured = [arm for arm in summary.arms if arm.success is not None and arm.success_ci95 is not None]
    if not measured:
        return None
    metric = summary.metric
    figure = Figure(figsize=(5.6, 3.1))
    axes = figure.add_subplot()
    width = 0.8 / len(measured)
    for index, arm in enumerate(measured):
        assert arm.success is not None and arm.success_ci95 is not None
        x = np.arange(metric.ceiling) + (index - (len(measured) - 1) / 2) * width
        rates = 100 * np.array(arm.success)
        below = rates - 100 * np.array([low for low, _ in arm.success_ci95])
        above = 100 * np.array([high for _, high in arm.success_ci95]) - rates
        colour = ARM_COLOURS[index % len(ARM_COLOURS)]
        axes.bar(x, rates, width * 0.9, label=legend_name(arm.title), color=colour)
        axes.errorbar(
            x, rates, np.maximum([below, above], 0), fmt="none", ecolor=INK, elinewidth=1, capsize=2
        )
    axes.set_xticks(range(metric.ceiling), metric.rates)
    axes.set_ylim(0, 100)
    axes.set_ylabel("success (%)")
    axes.set_xlabel(legend_name(metric.unit))
    return svg(figure, axes, "success")


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG, without the date and version that matplotlib would write into it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
