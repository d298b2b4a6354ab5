"""GroundingDINO by a name of the Hub alone, `owner/name`: the folder of what that means now, each file proved."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from errors import BatonError, DiskFull, WeightsMissing
from hub.client import Repositories
from hub.copies import Copy, brought, hub_folder, last_meant, pin
from hub.download import Patience
from hub.files import HubFile
from hub.names import HubName
from settings.deadline import Deadline
from settings.faults import need_fact
from settings.shown import first_line, shown_path

#: For the one question, which is asked once, and for all files: what came is kept, and the next try goes on from there.
HUB_QUESTION_SECONDS, HUB_FILES_SECONDS = 10.0, 3600.0
_ONCE = Patience(tries=0, first_seconds=0.0, most_seconds=0.0, most_named=0.0)


def folder_of(name: HubName, patterns: Sequence[str]) -> Path:
    """Files of the repository by patterns of their paths, all of one commit: of the Hub where it answers, else as they
    were last here. What the Hub's own client keeps is taken where it has these bytes.

    Raises WeightsMissing where neither has them.
    """
    try:
        source = Repositories("model", patience=_ONCE, question_seconds=HUB_QUESTION_SECONDS)
        pinned = pin(name, "model", source)
        return Deadline(HUB_FILES_SECONDS).result(lambda: _brought(pinned, patterns, source))
    except DiskFull:
        raise
    except (BatonError, TimeoutError, OSError) as error:
        need_fact(error)
        reason = first_line(error)
    if (meant := last_meant(name, "model")) is not None and (folder := _here(meant, patterns)) is not None:
        return folder
    if (folder := _kept_by_the_client(name)) is not None:
        return folder
    raise WeightsMissing(
        f"weights {shown_path(_plain(name))} are neither a folder here, nor cached, nor to be had from the hub "
        f"({reason}): download them on a connected machine and name their folder, or use the colour detector"
    )


def _brought(name: HubName, patterns: Sequence[str], source: Repositories) -> Path:
    copy = Copy(name, "model", hub_folder())
    files = _wanted(copy.listing(source), patterns)
    if copy.missing(files) and (kept := _proved_of_the_client(name, files)) is not None:
        return kept
    brought(copy, files)
    return copy.place


def _here(name: HubName, patterns: Sequence[str]) -> Path | None:
    """Nothing is asked or fetched: None where a file is missing."""
    copy = Copy(name, "model", hub_folder())
    files = _wanted(copy.known_listing() or (), patterns)
    return copy.place if files and not copy.missing(files) else None


def _wanted(files: Sequence[HubFile], patterns: Sequence[str]) -> list[HubFile]:
    return [file for file in files if any(fnmatch(file.path, pattern) for pattern in patterns)]


def _proved_of_the_client(name: HubName, files: Sequence[HubFile]) -> Path | None:
    """The client's folder of this commit, if all of `files` are in it with the bytes that the Hub states."""
    from huggingface_hub import try_to_load_from_cache

    folder = None
    for file in files:
        found = try_to_load_from_cache(name.repository, file.path, revision=name.commit)
        try:
            if not isinstance(found, str) or not file.is_in(Path(found).resolve()):
                return None
        except OSError as error:
            need_fact(error)
            return None
        folder = Path(found).parents[file.path.count("/")]
    return folder


def _kept_by_the_client(name: HubName) -> Path | None:
    """Where the Hub does not answer: what its own client keeps of it."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name.repository, revision=name.revision, local_files_only=True))
    except (OSError, ValueError) as error:
        need_fact(error)
        return None


def _plain(name: HubName) -> str:
    return str(name).removeprefix("hub:")
