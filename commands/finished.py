"""What a session brought to its end, and the tables and reports of that."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from commands.failed import tell_failures
from db import standings
from db.states import FAILED, SUCCEEDED
from errors import BatonError, Stopped
from settings.called import told_apart
from settings.streams import say
from settings.typed import typed

if TYPE_CHECKING:
    from db.engine import Database
    from db.standings import AblationStanding
    from settings.home import Home


def finished(before: Sequence[AblationStanding], after: Sequence[AblationStanding]) -> list[AblationStanding]:
    """Those that have ended and stood otherwise `before` a session, or came while it ran."""
    stood = {entry.id: (entry.state, entry.jobs) for entry in before}
    ended = [entry for entry in after if entry.state in (SUCCEEDED, FAILED)]
    return [entry for entry in ended if stood.get(entry.id) != (entry.state, entry.jobs)]


@contextmanager
def told_if_stopped(home: Home, database: Database, before: Sequence[AblationStanding]) -> Iterator[None]:
    """Around a session: where it is stopped, what it finished has no report yet, and is told how to get it."""
    try:
        yield
    except Stopped:
        with suppress(BatonError):
            after = standings.standing(database).ablations
            names = told_apart((entry.id, entry.name) for entry in after)
            for entry in finished(before, after):
                how = typed(f"report {entry.id}", home)
                say(f"{names[entry.id]}: {entry.state}; its report: {how}", error=True)
        raise


def tell_ended(
    home: Home,
    database: Database,
    ablations: Sequence[AblationStanding],
    names: Mapping[int, str],
    reported: Collection[int],
    *,
    tables: bool = True,
) -> None:
    """Table and report of those `reported` by their ids, and what any failed of. tables: as `tell_report` has it."""
    for entry in ablations:
        if entry.id in reported:
            tell_report(home, database, names[entry.id], entry.id, table=tables)
        if entry.state == FAILED:
            tell_failures(home, database, entry)


def tell_report(home: Home, database: Database, name: str, ablation_id: int, *, table: bool = True) -> None:
    """One that cannot be made undoes nothing of the work. table: print it; else only where the report lies, which
    leaves standard output alone."""
    say(f"{name}: writing the report ...", error=True)
    # Only now: figures and statistics take seconds to import, which no start should wait for.
    from commands.show import print_report, write_report

    try:
        written = write_report(home, database, (ablation_id,))
        if table:
            print_report(written, as_json=False)
        else:
            say(f"{name}: its report: {written.folder / 'report.html'}", error=True)
    except BatonError as error:
        say(f"{name}: its report could not be written: {error}", error=True)
