"""What keeps the session that runs here from working, and the next one from being warned."""

from __future__ import annotations

import os
from pathlib import Path

from commands.checks.finding import OK, WARNING, Finding
from commands.session_options import NOTICE_FILE_VARIABLE, NOTICE_URL_VARIABLE, check_notice_url
from errors import InvalidInput
from settings.home import Home
from views.notice_address import NoticeAddress
from views.notice_file import NoticeFile
from workers.troubles import troubles_of


def findings(home: Home) -> list[Finding]:
    """One for each trouble; none where all is well, or nothing runs. One for the file, and the address, that the
    environment names."""
    found = [Finding("session", "processes", WARNING, sentence) for sentence in troubles_of(home)]
    if file := os.environ.get(NOTICE_FILE_VARIABLE):
        found.append(_said_by(NoticeFile(Path(file)), NOTICE_FILE_VARIABLE))
    url = os.environ.get(NOTICE_URL_VARIABLE)
    return found if url is None else [*found, _address(url)]


def _address(url: str) -> Finding:
    try:
        check_notice_url(url)
    except InvalidInput as error:
        return Finding("session", "notice", WARNING, str(error))
    return _said_by(NoticeAddress(url), NOTICE_URL_VARIABLE)


def _said_by(source: NoticeFile | NoticeAddress, variable: str) -> Finding:
    said = source.look()
    if source.trouble is not None:
        remedy = f"correct {variable}, or unset it: work is saved without a warning too"
        return Finding("session", "notice", WARNING, source.trouble, remedy)
    if said.notice is not None:
        return Finding("session", "notice", WARNING, f"this machine goes away: {said.notice}")
    return Finding("session", "notice", OK, f"nothing is planned, says {variable}")
