"""Command lines are kept and carried in bundles; passwords in their URLs are not."""

from __future__ import annotations

import re

#: What stands between a URL's user and its host.
_PASSWORD = re.compile(r"(://[^\s/:@]*):[^\s/@]+@")


def without_passwords(command: str) -> str:
    """`redis://user:secret@host` becomes `redis://user:***@host`."""
    return _PASSWORD.sub(r"\1:***@", command)
