"""How people name what lies on the Hugging Face Hub: `hub:owner/name[@revision][/path]`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import quote, unquote

from errors import InvalidInput
from settings.shown import shown

PREFIX = "hub:"

#: What a repository is of; names of its folders here and of its addresses there.
RepoKind = Literal["dataset", "model"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"\w[\w.+/-]{0,199}", re.ASCII)
_MOST_PATH = 1000
#: Controls, halves of characters, and what parts folders elsewhere. Spaces of all kinds are in names of screenshots.
_NO_PATH = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\\]")


@dataclass(frozen=True)
class HubName:
    """A repository, or a folder in it. revision: a branch, tag or commit; None: the default branch."""

    owner: str
    name: str
    revision: str | None = None
    path: str = ""

    @property
    def repository(self) -> str:
        """`owner/name`, as the Hub has it."""
        return f"{self.owner}/{self.name}"

    @property
    def commit(self) -> str | None:
        """The revision where it is a commit, whose content never changes."""
        return self.revision if self.revision is not None and _COMMIT.fullmatch(self.revision) else None

    def at(self, commit: str) -> HubName:
        return replace(self, revision=commit)

    def __str__(self) -> str:
        revision = "" if self.revision is None else f"@{quote(self.revision, safe='')}"
        return f"{PREFIX}{self.repository}{revision}{'/' if self.path else ''}{self.path}"


def is_hub_name(text: str) -> bool:
    return text.startswith(PREFIX)


def parse_name(text: str, place: str = "") -> HubName:
    """Raises InvalidInput that begins with `place`, the option or setting, for what is no such name."""
    said = f"{place}: " if place else ""
    wanted = f"{said}{shown(text, 200)} is not {PREFIX}owner/name[@revision][/path]"
    if not is_hub_name(text):
        raise InvalidInput(wanted)
    owner, _, rest = text.removeprefix(PREFIX).partition("/")
    whole, _, path = rest.partition("/")
    name, at, revision = whole.partition("@")
    for part in (owner, name):
        if (
            not _PART.fullmatch(part)
            or "--" in part
            or ".." in part
            or part.endswith((".git", ".ipynb", "."))
        ):
            raise InvalidInput(f"{wanted}: {shown(part)} cannot be an owner or a name on the Hub")
    revision = unquote(revision)
    if at and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise InvalidInput(f"{wanted}: {shown(revision)} cannot be a revision")
    path = path.rstrip("/")
    if path and ((why := fault_of_path(path)) is not None):
        raise InvalidInput(f"{wanted}: the path {shown(path)} {why}")
    return HubName(owner, name, revision or None, path)


def fault_of_path(path: object) -> str | None:
    """Why a path in a repository cannot be one below a folder here, a part of a sentence; None where it can."""
    if not isinstance(path, str):
        return "is no text"
    if not path or len(path.encode(errors="replace")) > _MOST_PATH:
        return f"has not 1 to {_MOST_PATH} bytes"
    if _NO_PATH.search(path):
        return "holds characters that no path of a repository has"
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "leads out of the folder or has an empty part"
    if any(len(part.encode()) > 255 for part in parts):
        return "has a part that no file system takes"
    return None
