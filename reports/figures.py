"""Figures of the report: loss curves, success bars, gaze overlays. The same data give the same bytes."""

from __future__ import annotations

import io
import re

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from reports.data import GazeExample, ReportData
from reports.statistics import CHAIN_LENGTH
from reports.summary import Summary

#: Okabe & Ito's colours: told apart with any colour vision, and on light and dark paper.
ARM_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINE_STYLES = ("-", "--", ":", "-.")
#: Stands for the page's text colour inside an SVG.
_INK = "#010203"
OVERLAY_SCALE = 2
_BOX_COLOUR = (255, 230, 0)


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
        axes.bar(x, rates, width * 0.9, label=arm.title, color=colour)
        axes.errorbar(
            x, rates, np.maximum([below, above], 0), fmt="none", ecolor=_INK, elinewidth=1, capsize=2
        )
    axes.set_xticks(range(CHAIN_LENGTH), [f"{k}/5" for k in range(1, CHAIN_LENGTH + 1)])
    axes.set_ylim(0, 100)
    axes.set_ylabel("success (%)")
    axes.set_xlabel("tasks done in a row")
    return _svg(figure, axes, "success")


def loss_svgs(data: ReportData) -> dict[str, str]:
    """One figure per loss name: a line per run, colour by arm, dashes by seed (in the order of seeds)."""
    names = sorted({point.name for run in data.runs for point in run.losses})
    arms = list(data.arms())
    figures = {}
    for name in names:
        figure = Figure(figsize=(5.6, 3.1))
        axes = figure.add_subplot()
        for run in data.runs:
            points = sorted((point.step, point.value) for point in run.losses if point.name == name)
            if not points:
                continue
            steps, values = zip(*points, strict=True)
            colour = ARM_COLOURS[arms.index(run.arm) % len(ARM_COLOURS)]
            seeds = sorted(other.seed for other in data.arms()[run.arm])
            style = LINE_STYLES[seeds.index(run.seed) % len(LINE_STYLES)]
            label = (run.title or run.arm) if run.seed == seeds[0] else None
            marker = "o" if len(points) == 1 else None
            axes.plot(steps, values, style, color=colour, label=label, linewidth=1.4, marker=marker)
        axes.set_xlabel("step")
        axes.set_ylabel(f"{name} loss")
        axes.set_ylim(bottom=0)
        figures[name] = _svg(figure, axes, f"loss {name}")
    return figures


def overlay_png(example: GazeExample) -> bytes:
    """The frame, enlarged twice, with the gaze region drawn on it."""
    height, width = example.image.shape[:2]
    picture = Image.fromarray(np.ascontiguousarray(example.image)).resize(
        (width * OVERLAY_SCALE, height * OVERLAY_SCALE), Image.Resampling.NEAREST
    )
    if example.box is not None:
        x0, y0, x1, y1 = (OVERLAY_SCALE * edge for edge in example.box)
        draw = ImageDraw.Draw(picture)
        draw.rectangle((x0 - 2, y0 - 2, x1 + 1, y1 + 1), outline=(0, 0, 0), width=3)
        draw.rectangle((x0 - 1, y0 - 1, x1, y1), outline=_BOX_COLOUR, width=1)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG, without the date and version that matplotlib would write into it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _svg(figure: Figure, axes: Axes, salt: str) -> str:
    """Inline SVG without background, in the page's own text colour; `salt` keeps ids of figures apart."""
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    for spine in ("left", "bottom"):
        axes.spines[spine].set_color(_INK)
    axes.tick_params(colors=_INK)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    axes.grid(axis="y", color="#808080", alpha=0.25, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(
        frameon=False,
        labelcolor=_INK,
        fontsize=9,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=3,
        borderpad=0,
    )
    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": salt, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(
            stream,
            format="svg",
            transparent=True,
            bbox_inches="tight",
            metadata={"Date": None, "Creator": None},
        )
    text = re.sub(r"<metadata>.*?</metadata>", "", stream.getvalue(), flags=re.DOTALL)
    view_box = re.search(r'viewBox="[^"]*"', text)
    assert view_box is not None
    body = text[text.index(">", view_box.end()) + 1 :]
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # group names repeat in every figure of a page
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {names} {view_box.group()} aria-hidden="true">{body}'.replace(_INK, "currentColor")
