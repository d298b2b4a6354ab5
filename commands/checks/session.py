"""What keeps the session that runs here from working."""

from __future__ import annotations

from commands.checks.finding import WARNING, Finding
from settings.home import Home
from workers.troubles import troubles_of


def findings(home: Home) -> list[Finding]:
    """One for each trouble; none where all is well, or nothing runs."""
    return [Finding("session", "processes", WARNING, sentence) for sentence in troubles_of(home)]
