"""The page's charts as files of their own, for papers and slides."""

from __future__ import annotations

import re
from collections.abc import Mapping

from reports.curves import curve_svgs
from reports.data import ReportData
from reports.dots import differences_svg, success_svg
from reports.summary import Summary

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def figure_files(data: ReportData, summary: Summary) -> Mapping[str, bytes]:
    """Name -> SVG, black on nothing: `figure-success.svg`, `figure-comparisons.svg`, `figure-action-loss.svg`, ...;
    those that there is something to draw of."""
    drawn = {"success": success_svg(summary), "comparisons": differences_svg(summary), **curve_svgs(data)}
    return {f"figure-{_slug(name)}.svg": (_HEAD + svg + "\n").encode() for name, svg in drawn.items() if svg}


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
