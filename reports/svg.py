"""Charts as inline SVG: no background, the page's own text colour, and the same bytes for the same data."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
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


def legend_name(text: str) -> str:
    """A name as a legend shows it: one line, and no formula between dollars."""
    return one_line(text).replace("$", r"\$")


def svg(figure: Figure, axes: Axes, salt: str, grid: Literal["x", "y"] = "y", columns: int = 3) -> str:
    """The figure as markup, its legend of `columns` columns above it; `salt` keeps ids of figures apart."""
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
        ncols=columns,
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
