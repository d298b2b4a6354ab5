"""What a report is made of below its heading: sections, each of a few parts, in the order that an experiment gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from reports.data import ReportData, RunReport
    from reports.summary import ArmSummary, Summary


class Part:
    """One thing that a report shows, with the facts that it shows of; subclasses are frozen dataclasses.

    template: `package/file` of its piece of the page, a Jinja template beside the class. It gets what `view` gives and
    may import `reports/macros.html`; every text in it is escaped but a `markupsafe.Markup`.
    """

    template: ClassVar[str]

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object] | None:
        """Variables of the template; None where the page does not show this part."""
        raise NotImplementedError

    def document(self) -> Mapping[str, object]:
        """Entries that report.json has of it."""
        return {}

    def of_arm(self, arm: ArmSummary) -> Mapping[str, object]:
        """Entries that an arm has of it in report.json."""
        return {}

    def of_run(self, run: RunReport) -> Mapping[str, object]:
        """Entries that a run has of it in report.json."""
        return {}


@dataclass(frozen=True)
class Section:
    """Parts under one heading; a section of which no part is shown is not either. anchor: its id in the page."""

    anchor: str
    title: str
    parts: tuple[Part, ...]
