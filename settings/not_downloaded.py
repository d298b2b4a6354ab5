"""What stands in a file's place where its download did not bring it: known by its first bytes."""

from __future__ import annotations

import os
import re

#: As many bytes of a file's beginning are looked at.
LOOKED_AT_BYTES = 256

#: The first line of a pointer (the specification of Git LFS).
_POINTER = b"version https://git-lfs.github.com/spec/v1"
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html[\s>])", re.IGNORECASE)
_IS_POINTER = (
    "it is a Git LFS pointer, which a clone has for a file that was not fetched: run `git lfs pull` there"
)
_IS_PAGE = "it is an HTML page, which a server gave in its place (a login, or an error): download it again"
_PAGES = (".html", ".htm", ".xhtml", ".md")


def what_came(name: str, start: bytes) -> str | None:
    """In a few words what came instead of the file `name`, which begins with `start`; None where nothing says so."""
    if start.startswith(_POINTER):
        return _IS_POINTER
    if _PAGE.match(start) and not name.lower().endswith(_PAGES):
        return _IS_PAGE
    return None


def what_came_to(name: str, descriptor: int) -> str | None:
    """As `what_came`, of an open file, whose position stays."""
    return what_came(name, os.pread(descriptor, LOOKED_AT_BYTES, 0))
