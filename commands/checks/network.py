"""Whether other machines may see the home, and which of them works there."""

from __future__ import annotations

from commands.checks.finding import WARNING, Finding
from db.network_file import lease_of
from settings.file_system import network_kind
from settings.home import Home
from settings.lease import Lease


def findings(home: Home) -> list[Finding]:
    """One where they may; none on a disk. What nobody asked for is refused, and `machine` tells it."""
    file = home.state_file
    kind = network_kind(home.root if file is None else file)
    if kind is None or home.network_obstacle() is not None:
        return []
    if file is None:
        detail, lease = f"{home.root} is on {kind}: one machine runs it at a time", home.run / "lease"
        remedy = "give every machine a home of its own, on a local disk"
    else:
        detail, lease = f"{file} is on {kind}: without a log, and one machine at a time", lease_of(file)
        remedy = "on a local disk it is faster"
    holder = Lease(lease, str(lease)).holder() if lease.parent.is_dir() else None
    if holder is not None:
        detail += f"; held by {holder}"
    return [Finding("home", "file system", WARNING, detail, remedy)]
