"""What the answer of an address means: nothing planned, this machine goes away, or nothing that can be understood.

AWS: 404, then `{"action": "terminate", "time": "2026-01-01T08:22:00Z"}`, 120 s ahead (spot/instance-action).
Google: FALSE, then TRUE (`instance/preempted`); NONE, or what happens to a machine under maintenance.
Azure: a list of events, each with the machines that it concerns (scheduled events); empty where nothing is planned.
Anybody's own: nothing, then a line of text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from settings.shown import cut

#: What is planned for later than this is not acted on yet.
AHEAD_SECONDS = 900.0

#: Also what Google says of a machine that moves and goes on.
_NOTHING = frozenset({"", "false", "none", "null", "no", "0", "migrate_on_host_maintenance"})

#: Azure's events after which a machine's memory or disk is gone; one that freezes goes on.
_ENDS = frozenset({"Preempt", "Terminate", "Redeploy", "Reboot"})

LETTERS = 200


@dataclass(frozen=True)
class Said:
    """notice: why this machine goes away, in left_seconds where that was said. trouble: why the answer is none."""

    notice: str | None = None
    left_seconds: float | None = None
    trouble: str | None = None


NOTHING = Said()


def meaning(text: str, is_page: bool, now: float, machine_names: Callable[[], Collection[str]]) -> Said:
    """Of an answer with a success's status. is_page: it says that it is HTML. now: the time of day of whoever answered.

    machine_names: what this machine may be called, in small letters; asked for only when it matters.
    """
    try:
        return _meaning(text.strip(), is_page, now, machine_names)
    except (TypeError, AttributeError, RecursionError):  # JSON may have any form, and any depth
        return Said(trouble=f"it answers with something that is no notice: {_line(text.strip())}")


def _meaning(text: str, is_page: bool, now: float, machine_names: Callable[[], Collection[str]]) -> Said:
    if text.lower() in _NOTHING:
        return NOTHING
    if is_page or text.startswith("<"):
        return Said(trouble="it answers with a page, as a proxy or a login does")
    if text[0] in "[{":
        try:
            document = json.loads(text)
        except ValueError:
            return Said(trouble="it answers with JSON that is cut off or broken")
        return _of_document(document, text, now, machine_names)
    return _at(_line(text), text, now)


def _of_document(document: Any, text: str, now: float, machine_names: Callable[[], Collection[str]]) -> Said:
    if not document:
        return NOTHING
    if isinstance(document, dict) and isinstance(document.get("Events"), list):
        return _of_azure(document["Events"], now, machine_names)
    if isinstance(document, list):  # AWS's scheduled maintenance
        found = [_of_aws(entry, now) for entry in document]
    else:
        found = [_of_aws(document, now)]
    known = [said for said in found if said is not None]
    if not known:
        return Said(trouble=f"it answers with something that is no notice: {_line(text)}")
    return next((said for said in known if said.notice), NOTHING)


def _of_aws(entry: Any, now: float) -> Said | None:
    """None for what has another form."""
    if not isinstance(entry, dict):
        return None
    if "action" in entry:
        action = str(entry["action"])
        return (
            NOTHING if action.lower() in _NOTHING else _at(_line(json.dumps(entry)), entry.get("time"), now)
        )
    if "noticeTime" in entry:  # a recommendation to leave
        return Said(_line(json.dumps(entry)))
    if "Code" in entry:
        state = str(entry.get("State", "active")).lower()
        ended = state != "active" or "completed" in str(entry.get("Description", "")).lower()
        return NOTHING if ended else _at(_line(json.dumps(entry)), entry.get("NotBefore"), now)
    return None


def _of_azure(events: list[Any], now: float, machine_names: Callable[[], Collection[str]]) -> Said:
    for event in events:
        if not isinstance(event, Mapping) or event.get("EventType") not in _ENDS:
            continue
        concerned = {str(name).lower() for name in event.get("Resources") or ()}
        if concerned.isdisjoint(machine_names()):
            continue
        said = _at(f"{event['EventType']} {event.get('EventId', '')}".strip(), event.get("NotBefore"), now)
        if said.notice is not None:
            return said
    return NOTHING


def _at(notice: str, moment: Any, now: float) -> Said:
    """A notice of something at `moment`, where that is a time at all."""
    at = _seconds_of(str(moment)) if moment else None
    if at is None or at <= now:
        return Said(notice)
    return Said(notice, at - now) if at - now <= AHEAD_SECONDS else NOTHING


def _seconds_of(text: str) -> float | None:
    """A time of day as clouds write it: ISO 8601 or as in e-mail."""
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        try:
            found = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def _line(text: str) -> str:
    return cut(text.splitlines()[0], LETTERS)
