"""Charts as inline SVG: no background, the page's own text colour, and the same bytes for the same data."""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Literal, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from settings.shown import one_line

#: Okabe & Ito's colours: told apart with any colour vision, and on light and dark paper.
ARM_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

#: Stands for the page's text colour inside a figure.
INK = "#010203"

#: In characters: what a chart has room for beside each other, and what a name's key and the space after it take.
_LEGEND, _KEY = 80, 6

Of = TypeVar("Of")
Drawn = TypeVar("Drawn")


def drawn_once(draw: Callable[[Of], Drawn]) -> Callable[[Of], Drawn]:
    """What the page and a file show both is kept with what it is drawn of, as a `cached_property` would."""
    name = f"_{draw.__name__}"

    @wraps(draw)
    def drawn(of: Of) -> Drawn:
        kept = vars(of)
        if name not in kept:
            kept[name] = draw(of)
        found: Drawn = kept[name]
        return found

    return drawn


def legend_name(text: str, characters: int = 60) -> str:
    """A name as a chart shows it: in lines of as many characters, and no formula between dollars."""
    return "\n".join(textwrap.wrap(one_line(text), characters)).replace("$", r"\$")


def _columns(names: Sequence[str], most: int) -> int:
    """How many columns a legend has, which matplotlib fills one after another, so that it is no wider than a chart."""
    widths = [max(map(len, name.split("\n"))) + _KEY for name in names]
    for columns in range(min(most, len(names)), 1, -1):
        rows = math.ceil(len(names) / columns)
        if sum(max(widths[first : first + rows]) for first in range(0, len(names), rows)) <= _LEGEND:
            return columns
    return 1


def svg(figure: Figure, axes: Axes, salt: str, grid: Literal["x", "y"] = "y", columns: int = 3) -> str:
    """The figure as markup, its legend of at most `columns` columns above it; `salt` keeps ids of figures apart."""
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    for spine in ("left", "bottom"):
        axes.spines[spine].set_color(INK)
    axes.tick_params(colors=INK)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(axis=grid, color="#808080", alpha=0.25, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(
        frameon=False,
        labelcolor=INK,
        fontsize=9,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=_columns(axes.get_legend_handles_labels()[1], columns),
        borderpad=0,
        columnspacing=1.2,
        handlelength=1.4,
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
    return f'<svg {names} {view_box.group()} aria-hidden="true">{body}'.replace(INK, "currentColor")
