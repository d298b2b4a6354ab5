"""Copies on this machine of what is on the Hub: a folder for each commit, so that none of it ever changes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from errors import DiskFull, InvalidInput
from hub.client import Repositories
from hub.download import Counts, Downloader, Paused, Watch
from hub.files import HubFile
from hub.names import HubName, RepoKind, fault_of_path, is_hub_name, parse_name
from hub.part import part_of
from settings import files as whole_files
from settings.disks import free_at
from settings.documents import parse_json
from settings.faults import REFUSED, need_fact
from settings.places import expanded
from settings.regular import read_text
from settings.shown import shown, size_told

FOLDER_VARIABLE = "BATON_HUB_CACHE"
#: Left free on the disk beside what is fetched.
SPARE_BYTES = 256 << 20
LARGER_DISK = f"name a folder in it, or a larger disk in {FOLDER_VARIABLE}"
_LOOK_SECONDS = 0.2
#: Of a commit's folder.
_LOCK = "lock"


def hub_folder() -> Path:
    """Where copies lie: `BATON_HUB_CACHE`, else beside what the Hub's own client keeps. Raises ConfigError for the home
    folder of nobody."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return expanded(named, FOLDER_VARIABLE).absolute()
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "baton"


def pin(name: HubName, kind: RepoKind, repositories: Repositories | None = None) -> HubName:
    """The name with the commit that it means now; where the client is told to be offline, that it last meant here.

    Raises as `Repositories.commit_of`.
    """
    if name.commit is not None:
        return name
    source = repositories or Repositories(kind)
    if source.is_offline() and (meant := last_meant(name, kind)) is not None:
        return meant
    commit = source.commit_of(name)
    _remember(_known_commit(name, kind), commit)
    return name.at(commit)


def last_meant(name: HubName, kind: RepoKind) -> HubName | None:
    """The name with the commit that it meant when the Hub was last asked on this machine; None where it never was."""
    if name.commit is not None:
        return name
    with suppress(OSError):
        meant = name.at(read_text(_known_commit(name, kind), 1000).strip())
        if meant.commit is not None:
            return meant
    return None


def _known_commit(name: HubName, kind: RepoKind) -> Path:
    folder = hub_folder() / f"{kind}s--{name.owner}--{name.name}" / "refs"
    return folder / (_short_digest(name.revision) if name.revision else "default")


@dataclass(frozen=True)
class Copy:
    """Of a commit of a repository, or of a folder in it. name: with a commit. folder: as `hub_folder` has it."""

    name: HubName
    kind: RepoKind
    folder: Path

    def __post_init__(self) -> None:
        assert self.name.commit is not None

    @property
    def place(self) -> Path:
        """Where the files of the name lie, if they are here."""
        return self._files / self.name.path

    @property
    def _commit(self) -> Path:
        return self.folder / f"{self.kind}s--{self.name.owner}--{self.name.name}" / str(self.name.commit)

    @property
    def _files(self) -> Path:
        return self._commit / "files"

    def listing(self, repositories: Repositories | None = None) -> tuple[HubFile, ...]:
        """All files of it, as they were listed once. Raises as `Repositories.listing`."""
        known = self.known_listing()
        if known is None:
            known = (repositories or Repositories(self.kind)).listing(self.name)
            _remember(self._listed, json.dumps([asdict(one) for one in known]))
        return known

    def is_whole(self) -> bool:
        """Whether all files of it are here, as far as is known without the Hub."""
        known = self.known_listing()
        return known is not None and not self.missing(known)

    def known_listing(self) -> tuple[HubFile, ...] | None:
        """As it was listed once; None where it never was on this machine."""
        return _read_listing(self._listed)

    @property
    def _listed(self) -> Path:
        return self._commit / f"listing-{_short_digest(self.name.path)}.json"

    def missing(self, files: Sequence[HubFile]) -> list[HubFile]:
        """Which of them are not here. What is here was proved when it came."""
        above = str(self._files)  # a `Path` of each takes three times as long, and there may be 500,000
        return [one for one in files if not _is_there(f"{above}/{one.path}", one.size)]

    def no_room(self, files: Sequence[HubFile]) -> str | None:
        """Why the disk does not hold what is missing, one sentence; None where it does."""
        need, free = self.to_come(files), free_at(self.folder)
        if need + SPARE_BYTES <= free:
            return None
        return f"{self.told(files)}; {size_told(free)} are free where {self.folder} is: {LARGER_DISK}"

    def told(self, files: Sequence[HubFile]) -> str:
        """How much these files are, and how much of them is yet to come: a sentence without its end."""
        whole, need = size_told(sum(one.size for one in files)), size_told(self.to_come(files))
        return f"{self.name}: its {len(files)} files have {whole}, {need} of them yet to come"

    def to_come(self, files: Sequence[HubFile]) -> int:
        """Bytes of disk that these files do not take yet."""
        return sum(max(0, one.size - _blocks(part_of(self._parts, one))) for one in self.missing(files))

    def fetch(
        self,
        files: Sequence[HubFile],
        watch: Watch,
        repositories: Repositories | None = None,
        make: Callable[..., Downloader] = Downloader,
    ) -> Counts:
        """All of them are here when it returns; who comes second waits. Raises as `Downloader.fetch_all`, and DiskFull
        before anything is fetched; InvalidInput for files that cannot be told apart here."""
        source = repositories or Repositories(self.kind)
        with self._alone(watch):
            missing = self.missing(files)
            if not missing:
                return Counts()
            self._need_apart(files)
            if (full := self.no_room(files)) is not None:
                raise DiskFull(full)
            downloader = make(lambda file: source.address(self.name, file), source.headers(), str(self.name))
            downloader.fetch_all(missing, self._files, self._parts, watch)
        return downloader.counts

    def _need_apart(self, files: Sequence[HubFile]) -> None:
        """Raises InvalidInput where two files would be one here: on a file system that folds case."""
        if not (self._commit / _LOCK.upper()).exists():  # its lock is there, under another name
            return
        seen: dict[str, str] = {}
        for path in (one.path for one in files):
            if (other := seen.setdefault(path.casefold(), path)) != path:
                raise InvalidInput(
                    f"{self.name}: {shown(other, 200)} and {shown(path, 200)} would be one file where {self.folder} "
                    f"is, which does not tell capitals from small letters; name another folder in {FOLDER_VARIABLE}"
                )

    @property
    def _parts(self) -> Path:
        return self._commit / "parts"

    @contextmanager
    def _alone(self, watch: Watch) -> Iterator[None]:
        self._commit.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._commit / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if watch.should_stop():
                        raise Paused from None
                    time.sleep(_LOOK_SECONDS)
            yield
        finally:
            os.close(descriptor)


def located(text: str, kind: RepoKind) -> Path:
    """The folder that a path or a name on the Hub means; what of it is not here is fetched first.

    Raises InvalidInput for a name without a commit, and as `Copy.fetch`.
    """
    if not is_hub_name(text):
        return Path(text)
    copy = copy_of(text, kind)
    brought(copy, copy.listing())
    return copy.place


def here(text: str, kind: RepoKind) -> Path | None:
    """As `located`, but nothing is asked or fetched: None where it is not whole here."""
    if not is_hub_name(text):
        return Path(text)
    copy = copy_of(text, kind)
    return copy.place if copy.is_whole() else None


def copy_of(text: str, kind: RepoKind) -> Copy:
    """The copy here of what a name with a commit means. Raises InvalidInput for another name."""
    name = parse_name(text)
    if name.commit is None:
        raise InvalidInput(f"{shown(text, 200)} names no commit, so that it may mean something else tomorrow")
    return Copy(name, kind, hub_folder())


def brought(copy: Copy, files: Sequence[HubFile]) -> None:
    """These files of it are here when it returns, whoever waits. Raises as `Copy.fetch`."""
    if copy.missing(files):
        copy.fetch(files, _Unhurried())


def _blocks(part: Path) -> int:
    """Of the disk that an unfinished file takes already."""
    try:
        return part.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


class _Unhurried:
    def should_stop(self) -> bool:
        return False

    def moved(self, count: int) -> None:
        """Nobody watches."""


def _remember(file: Path, text: str) -> None:
    """So that it need not be asked again; where others keep the copies, and let nobody write, it is."""
    _is_there(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_symlink():
            file.unlink()  # what it leads to is no file of ours
        whole_files.write(file, text)
    except OSError as error:
        if error.errno not in REFUSED:
            raise


def _short_digest(text: str) -> str:
    """As a name of a file, whatever the text is."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_there(file: str | Path, size: int | None = None) -> bool:
    """size: that it must have. Raises InvalidInput for what is there and can be no file of a copy: a FIFO in its place
    would be waited for when it is written."""
    try:
        found = os.lstat(file)
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        raise InvalidInput(f"{file} cannot be a file: something above it is no folder; remove that") from None
    if stat.S_ISDIR(found.st_mode):
        raise InvalidInput(f"{file} is a folder where a file of the copy belongs; remove it")
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISLNK(found.st_mode):
        raise InvalidInput(f"{file} is no regular file, and where a file of the copy belongs; remove it")
    return stat.S_ISREG(found.st_mode) and size in (None, found.st_size)


def _read_listing(file: Path) -> tuple[HubFile, ...] | None:
    """None where there is none that can be used."""
    try:
        content = parse_json(read_text(file, 512 << 20))
        if not isinstance(content, list):
            return None
        known = tuple(HubFile(**entry) for entry in content)
        if any(fault_of_path(one.path) is not None or not one.is_sound for one in known):
            return None
        return known
    except (OSError, ValueError, TypeError, KeyError) as error:
        need_fact(error)
        return None
