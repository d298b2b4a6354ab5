"""What an ablation failed of, and the way on, for commands that ran it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from settings.streams import say
from settings.typed import typed

if TYPE_CHECKING:
    from db.engine import Database
    from db.standings import AblationStanding
    from settings.home import Home

#: Different reasons that are told; `status` and `report` have all of them.
_MOST_REASONS = 10


def tell_failures(home: Home, database: Database, ablation: AblationStanding) -> None:
    """A line per reason, with the first job that failed of it and the number of the others."""
    from db import queries

    jobs_by_reason: dict[str, list[str]] = {}
    for label, reason in queries.failures(database, ablation.id):
        jobs_by_reason.setdefault(reason, []).append(label)
    for reason, labels in list(jobs_by_reason.items())[:_MOST_REASONS]:
        others = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
        say(f"error: {ablation.name}: {labels[0]}{others}: {reason}", error=True)
    if len(jobs_by_reason) > _MOST_REASONS:
        say(
            f"error: {ablation.name}: {len(jobs_by_reason) - _MOST_REASONS} more reasons; see status",
            error=True,
        )
    again = f"{typed('retry ' + str(ablation.id), home)}, then {typed('up --until-done', home)}"
    say(f"{ablation.name}: once that is mended: {again}", error=True)
