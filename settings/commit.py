"""Which commit a folder has checked out, read of its .git without git. Whether files were changed since is not told."""

from __future__ import annotations

import re
from pathlib import Path

from settings.faults import need_fact
from settings.regular import read_text

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def checked_out(root: Path) -> str | None:
    """None where `root` is no checkout, or one that cannot be read."""
    try:
        return _commit_of(root / ".git")
    except OSError as error:
        need_fact(error)
        return None
    except ValueError:
        return None


def _commit_of(place: Path) -> str | None:
    if place.is_file():  # a worktree, or a submodule
        place = (place.parent / read_text(place).removeprefix("gitdir:").strip()).resolve()
    common = place
    if (place / "commondir").is_file():
        common = (place / read_text(place / "commondir").strip()).resolve()
    head = read_text(place / "HEAD").strip()
    if not head.startswith("ref: "):
        return _named(head)
    name = head.removeprefix("ref: ")
    for folder in (place, common):
        if (folder / name).is_file():
            return _named(read_text(folder / name))
    if not (common / "packed-refs").is_file():
        return None
    lines = (line.partition(" ") for line in read_text(common / "packed-refs").splitlines())
    return next((_named(commit) for commit, _, ref in lines if ref == name), None)


def _named(text: str) -> str | None:
    found = _COMMIT.fullmatch(text.strip())
    return None if found is None else found[0]
