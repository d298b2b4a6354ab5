"""What machines share, where a home names it: PostgreSQL and the store of artifacts."""

from __future__ import annotations

import os

from commands.checks.finding import MISSING, OK, WARNING, Finding
from db.migrate import server_version
from db.remote import Remote
from errors import BatonError
from settings.home import Home


def findings(home: Home) -> list[Finding]:
    """Nothing for a home that lives in its folder, or that may not be looked into, which `machine` tells."""
    if home.root.is_dir() and not os.access(home.root, os.R_OK | os.X_OK):
        return []
    found = []
    if not home.state_in_home:
        found.append(_state(home))
    if home.artifacts_url is not None:
        found.append(_artifacts(home, home.artifacts_url))
    elif not home.state_in_home:
        remedy = "name a store that all of them reach in BATON_ARTIFACTS_URL, before anything is made"
        found.append(
            Finding("servers", "artifacts", WARNING, "in this home's folder: for one machine", remedy)
        )
    return found


def _state(home: Home) -> Finding:
    try:
        return Finding("servers", "state", OK, f"{server_version(home)} ({home.state_place})")
    except BatonError as error:
        remedy = f"start the server, or correct {home.state_place}"
        return Finding("servers", "state", MISSING, str(error), remedy, needed=True)


def _artifacts(home: Home, url: str) -> Finding:
    place = home.artifacts_place
    try:
        Remote(url, place).is_marked()
    except BatonError as error:
        return Finding("servers", "artifacts", MISSING, str(error), f"correct {place}", needed=True)
    return Finding("servers", "artifacts", OK, f"{url.partition('://')[0]}:// answers ({place})")
