"""What the Hub is asked through its own client: which commit a name means, and which files that has.

Tokens, `HF_ENDPOINT` and `HF_HUB_OFFLINE` are the client's; bytes are not fetched through it (`hub.download`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from traceback import walk_tb
from typing import Any, TypeVar

from errors import HubUnreachable, InvalidInput
from hub.answers import retry_seconds
from hub.download import Patience
from hub.files import HubFile
from hub.names import HubName, RepoKind, fault_of_path
from settings.deadline import Deadline
from settings.faults import need_fact
from settings.shown import cut, first_line, shown
from settings.timed_requests import is_plain_answer

Result = TypeVar("Result")

#: Of one question, and of a whole listing: 20 pages are 20,000 files.
QUESTION_SECONDS, LISTING_SECONDS = 20.0, 900.0
#: More files than any set that was recorded as such; frames of CALVIN one by one are in shards.
MOST_FILES = 500_000
#: Of the client: what stands around its functions, and calls them.
_CHECKS_ARGUMENTS = "huggingface_hub.utils._validators"
_TRIES = Patience(tries=5, first_seconds=0.5, most_seconds=30.0, most_named=120.0)


@dataclass(frozen=True)
class Repositories:
    """Of one kind, as the Hub has them."""

    kind: RepoKind
    patience: Patience = _TRIES
    sleep: Callable[[float], None] = time.sleep
    question_seconds: float = QUESTION_SECONDS
    listing_seconds: float = LISTING_SECONDS

    def commit_of(self, name: HubName) -> str:
        """What a name means now. Raises InvalidInput, HubUnreachable."""
        info = self._asked(
            name,
            self.question_seconds,
            lambda api: api.repo_info(
                name.repository, revision=name.revision, repo_type=self.kind, timeout=self.question_seconds
            ),
        )
        commit = HubName(name.owner, name.name, info.sha).commit if isinstance(info.sha, str) else None
        if commit is None:
            raise InvalidInput(f"{name}: the Hub names {shown(info.sha)} as its commit, which is none")
        return commit

    def listing(self, name: HubName) -> tuple[HubFile, ...]:
        """All files of a commit at or below the name's path, by their paths in the repository.

        Raises InvalidInput for a path that is not there, and for a listing that cannot be a folder here.
        """
        assert name.commit is not None
        entries = self._asked(
            name,
            self.listing_seconds,
            lambda api: list(
                islice(
                    api.list_repo_tree(
                        name.repository,
                        name.path or None,
                        recursive=True,
                        revision=name.commit,
                        repo_type=self.kind,
                    ),
                    2 * MOST_FILES,
                )
            ),
        )
        files = tuple(_files(name, entries))
        if not files:
            raise InvalidInput(f"{name}: there is no file")
        if len(files) > MOST_FILES:
            raise InvalidInput(f"{name} has more than {MOST_FILES} files; name a folder in it")
        _check_together(name, files)
        return files

    def address(self, name: HubName, file: HubFile) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(name.repository, file.path, repo_type=self.kind, revision=name.commit)

    def headers(self) -> dict[str, str]:
        """Who asks: for the Hub's own address alone."""
        from huggingface_hub.utils import build_hf_headers

        return dict(build_hf_headers(library_name="baton"))

    def is_offline(self) -> bool:
        from huggingface_hub import constants

        return bool(constants.HF_HUB_OFFLINE)

    def _asked(self, name: HubName, seconds: float, ask: Callable[[Any], Result]) -> Result:
        from huggingface_hub import HfApi

        if self.is_offline():
            raise HubUnreachable(f"{name} is not here, and HF_HUB_OFFLINE forbids to fetch it")
        fruitless = 0
        while True:
            try:
                return Deadline(seconds).result(lambda: ask(HfApi(library_name="baton")))
            except MemoryError:
                raise
            except Exception as error:  # the client's errors share no base class
                need_fact(error)
                if _is_wrong_call(error):
                    raise
                refused = _refusal(name, self.kind, error)
                if refused is not None:
                    raise refused from error
                fruitless += 1
                if fruitless > self.patience.tries:
                    raise HubUnreachable(f"{name}: the Hub does not answer ({first_line(error)})") from None
                named = _named_wait(error)
                self.sleep(self.patience.wait(fruitless, named, random.random))


def _files(name: HubName, entries: list[Any]) -> Iterator[HubFile]:
    from huggingface_hub.hf_api import RepoFile

    for entry in entries:
        if not isinstance(entry, RepoFile):
            continue
        if (why := fault_of_path(entry.path)) is not None:
            raise InvalidInput(f"{name}: the Hub lists {shown(entry.path)}, which {why}")
        if name.path and entry.path != name.path and not entry.path.startswith(f"{name.path}/"):
            raise InvalidInput(f"{name}: the Hub lists {shown(entry.path)}, which is not in it")
        file = (
            HubFile(entry.path, entry.size, "git-sha1", entry.blob_id)
            if entry.lfs is None
            else HubFile(entry.path, entry.lfs.size, "sha256", entry.lfs.sha256)
        )
        if not file.is_sound:
            raise InvalidInput(f"{name}: the Hub lists {shown(entry.path)} without a size and a digest")
        yield file


def _check_together(name: HubName, files: tuple[HubFile, ...]) -> None:
    """Raises InvalidInput where one path is there twice, or is a file and a folder."""
    paths = {file.path for file in files}
    folders = {
        path[:at]
        for path in paths
        for at, letter in enumerate(path)
        if letter == "/" and path[:at] in paths  # all folders of long paths would not fit into memory
    }
    if len(paths) < len(files) or folders:
        which = shown(min(folders)) if folders else "a path"
        raise InvalidInput(f"{name}: the Hub lists {which} twice, so that it cannot be a folder")


def _refusal(name: HubName, kind: RepoKind, error: Exception) -> InvalidInput | None:
    """What an error of the client says for good; None where another try may do better."""
    from huggingface_hub import errors

    if is_plain_answer(error):
        return InvalidInput(f"{name}: the Hub's address (HF_ENDPOINT) speaks http://, and not https://")
    if isinstance(error, (KeyError, TypeError, AttributeError)):  # a listing without what each has
        told = f"{type(error).__name__}: {first_line(error)}"
        return InvalidInput(f"{name}: what the Hub answers cannot be read by its client ({cut(told, 200)})")
    if isinstance(error, errors.GatedRepoError):
        return InvalidInput(
            f"{name} is gated: accept its terms on the Hub, and name a token that may read it (hf auth login, or "
            "HF_TOKEN)"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return InvalidInput(f"{name}: the {kind} {name.repository} has no revision {shown(name.revision)}")
    if isinstance(error, errors.EntryNotFoundError):
        return InvalidInput(
            f"{name}: the {kind} {name.repository} has no path {shown(name.path)} at that revision"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        from huggingface_hub import get_token

        why = (
            "or this token may not read it"
            if get_token()
            else "or it is private and no token is named (HF_TOKEN)"
        )
        return InvalidInput(f"{name}: the Hub has no {kind} {name.repository}, {why}")
    if isinstance(error, errors.HFValidationError):
        return InvalidInput(f"{name} is no name that the Hub could have: {first_line(error)}")
    status = _status(error)
    if status is not None and 400 <= status < 500 and status not in (408, 423, 425, 429):
        return InvalidInput(f"{name}: the Hub refuses ({cut(first_line(error), 200)})")
    return None


def _is_wrong_call(error: Exception) -> bool:
    """Whether the client was asked wrongly, so that it looked at no answer: the fault is here."""
    if not isinstance(error, (TypeError, AttributeError, KeyError)):
        return False
    modules = [frame.f_globals.get("__name__") for frame, _ in walk_tb(error.__traceback__)]
    return not modules or modules[-1] in (__name__, _CHECKS_ARGUMENTS)


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _named_wait(error: Exception) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", {})
    return retry_seconds(headers.get("Retry-After"))
