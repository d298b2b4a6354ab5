"""The page's charts as files of their own, for papers and slides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain, count

from reports.curves import curve_svgs
from reports.data import ReportData
from reports.dots import differences_svg, success_svg
from reports.summary import Summary

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def figure_files(data: ReportData, summary: Summary) -> Mapping[str, bytes]:
    """Name -> SVG, black on nothing: `figure-success.svg`, `figure-comparisons.svg`, `figure-action-loss.svg`, ...;
    those that there is something to draw of. Of names that make one, the later have a number."""
    drawn = {"success": success_svg(summary), "comparisons": differences_svg(summary), **curve_svgs(data)}
    files: dict[str, bytes] = {}
    for name, svg in drawn.items():
        if svg:
            slug = _slug(name)
            numbered = (f"{slug}-{number}" for number in count(2))
            of_it = next(one for one in chain([slug], numbered) if _file(one) not in files)
            files[_file(of_it)] = (_HEAD + svg + "\n").encode()
    return files


def _file(slug: str) -> str:
    return f"figure-{slug}.svg"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
