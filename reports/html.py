"""The report as one HTML page: no script, nothing loaded from elsewhere, light and dark, phone to print."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup

from reports.data import ReportData
from reports.meaning import meaning
from reports.methods import Interval
from reports.numbers import duration, fixed, interval_words, p_words, signed
from reports.section import Section
from reports.standing import standing
from reports.summary import Summary
from reports.words import findings
from settings.shown import plain

#: Failed jobs that are named; of more only the number.
FAILURES_SHOWN = 8


def render_html(data: ReportData, summary: Summary) -> str:
    """The whole page. Every text from outside is escaped; only figures drawn here go in as markup."""
    packages = {"reports", *(part.template.partition("/")[0] for part in data.parts())}
    environment = Environment(
        loader=PrefixLoader({package: PackageLoader(package, "") for package in sorted(packages)}),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_readable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "fixed": fixed, "signed": signed, "edges": _edges, "p": p_words, "duration": duration
    }  # fmt: skip
    sequences = {arm.sequences for arm in summary.arms if arm.sequences}
    shown = [(section, list(_rendered(environment, section, data, summary))) for section in data.sections]
    return environment.get_template("reports/page.html").render(
        data=data,
        summary=summary,
        sequences=" or ".join(str(count) for count in sorted(sequences)),
        findings=findings(data, summary),
        meaning=meaning(data, summary),
        standing=standing(data),
        written=_written(data.created_at),
        failures_shown=FAILURES_SHOWN,
        sections=[(section.anchor, section.title, parts) for section, parts in shown if parts],
    )


def _rendered(
    environment: Environment, section: Section, data: ReportData, summary: Summary
) -> Iterator[Markup]:
    for part in section.parts:
        view = part.view(data, summary)
        if view is not None:
            yield Markup(environment.get_template(part.template).render(view).strip())


def _written(seconds: float | None) -> str:
    """Day and minute, UTC; empty where not known."""
    if seconds is None:
        return ""
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M} UTC"


def _readable(value: Any) -> Any:
    """What reorders or hides what stands beside it is shown escaped; figures drawn here are markup."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _edges(interval: Interval, digits: int, scale: float = 1) -> str:
    return interval_words(interval, scale, digits)
