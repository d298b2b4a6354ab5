"""The content-addressed store: immutable files named by the SHA-256 of their bytes.

Order of a publication: temporary file, fsync, rename, fsync of the folder, then the row
(`db.jobs`). A row never points to bytes that are not there; bytes without a row are garbage, and whoever
removes garbage waits for publications that are between the two (`publication`, `standstill`).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from errors import ArtifactDamaged, StoreBusy
from settings.faults import LOOKS, is_unreadable
from settings.files import aside_of, lies_at, sync
from settings.home import Home

if TYPE_CHECKING:
    from db.remote import Remote

#: Bytes read at a time when hashing.
_BLOCK = 1 << 20

#: Lock files in the artifacts folder: publications hold the first, having come through the second.
LOCK_FILES = _LOCK, _TURNSTILE = ".lock", ".turnstile"

#: Whose files these are (`db.ownership`), the lock of whoever writes that, and the same while it is written.
OWNER, OWNER_LOCK = ".owner", ".owner.lock"
OWNER_FILES = OWNER, OWNER_LOCK, aside_of(Path(OWNER)).name

#: Where an artifact may lie, relative to the home: a folder named by the digest's start, the digest, a suffix.
ARTIFACT_PATH = re.compile(r"artifacts/([0-9a-f]{2})/(\1[0-9a-f]{62})(\.[A-Za-z0-9]{1,16})?")

#: Names of attempts' scratch folders: job, lease token, a random number.
ATTEMPT_SCRATCH = re.compile(r"(\d+)-(\d+)-\d+")

#: How often `standstill` looks for its gap, and how long it keeps others out for it at a time.
_LOOK_SECONDS = 0.002
_TURN_SECONDS = 2.0


class ArtifactStore:
    """Artifacts of one home on a local disk. `db.shared_store` extends it to several machines."""

    #: Objects behind the folder, where machines share them.
    remote: Remote | None = None

    def __init__(self, home: Home) -> None:
        self._home = home
        self._verified: dict[str, tuple[int, int, int]] = {}  # path -> (inode, size, mtime_ns) already hashed
        self._unreadable: Counter[str] = Counter()  # path -> looks that the disk answered with an error

    @property
    def cache(self) -> Path:
        """The home's folder of results kept by content (`Home.cache`)."""
        return self._home.cache

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """A folder of an attempt's own for files being written, gone afterwards. Locked while it is in use."""
        # Machines and containers share a home, and their processes' numbers are no names there.
        folder = self._home.scratch / f"{name}-{secrets.randbits(64)}"
        lock = _make_and_lock(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    @contextmanager
    def publication(self) -> Iterator[None]:
        """Around `put` and the commit of the rows that name the files: no bytes are removed meanwhile.

        Any number of threads and processes may be in one. It ends with its process, however that ends.
        """
        with self._lock_file(_LOCK) as lock:
            with self._lock_file(_TURNSTILE) as turnstile:
                fcntl.flock(turnstile, fcntl.LOCK_SH)
                fcntl.flock(lock, fcntl.LOCK_SH)
            yield

    @contextmanager
    def standstill(self, wait_seconds: float) -> Iterator[Callable[[], None]]:
        """No publication, export or import is under way. Raises StoreBusy when one is for all that time.

        While it waits no new publication begins, or busy workers would never leave a gap; but only for a
        moment at a time, or one that is stuck (SIGSTOP) would hold up all others. Gives what raises an error once
        that is not so any more, as it may be where a server keeps the lock: ask it before something is removed.
        """
        give_up = time.monotonic() + wait_seconds
        with self._lock_file(_LOCK) as lock:
            while not self._lock_alone(lock, min(wait_seconds, _TURN_SECONDS)):
                if time.monotonic() >= give_up:
                    raise StoreBusy(
                        f"{self._home.root}: files are being published, exported or imported; try again later"
                    )
                time.sleep(_TURN_SECONDS)
            yield lambda: None

    def _lock_alone(self, lock: int, wait_seconds: float) -> bool:
        give_up = time.monotonic() + wait_seconds
        with self._lock_file(_TURNSTILE) as turnstile:
            fcntl.flock(turnstile, fcntl.LOCK_EX)
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                except BlockingIOError:
                    if time.monotonic() >= give_up:
                        return False
                time.sleep(_LOOK_SECONDS)

    @contextmanager
    def _lock_file(self, name: str) -> Iterator[int]:
        """A descriptor to lock; closing it unlocks, and so does the end of the process.

        In a home that can only be read it is held as well, so that its owner removes nothing meanwhile. Where it is not
        there or not to be had, the folder stands for it: nobody else locks that, and nothing is stored from here.
        """
        path = self._home.artifacts / name
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EROFS):
                raise
            no_other = not os.access(path, os.R_OK) and not os.access(self._home.artifacts, os.W_OK)
            descriptor = os.open(self._home.artifacts if no_other else path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def put(self, file: Path) -> tuple[str, str, int]:
        """Move `file` into the store. Returns (sha256, path relative to the home, bytes).

        Safe to repeat, and safe beside another process that stores the same bytes.
        """
        digest = file_sha256(file)
        size = file.stat().st_size
        target = self._home.artifacts / digest[:2] / f"{digest}{file.suffix}"
        sync(file)
        # Replacing an equal file is harmless, and mends one whose bytes were damaged on disk.
        relative = self._keep(file, target)
        sync(target.parent)
        sync(target.parent.parent)
        return digest, relative, size

    def _keep(self, file: Path, target: Path) -> str:
        """Give a file whose digest is known its name. Returns the path relative to the home."""
        target.parent.mkdir(mode=0o700, exist_ok=True)
        file.chmod(0o400)
        file.replace(target)
        relative = self._home.relative(target)
        self._verified[relative] = _identity(target)
        return relative

    def adopt(self, files: Mapping[str, Path]) -> None:
        """Move many files, whose digests were checked, to these places in the store; durable when it returns.

        The whole machine's disks are synced twice, which for thousands of files is less than a sync of each.
        """
        # First the bytes: a name that was there before must not come to stand for bytes that a power cut takes.
        os.sync()
        for relative, file in files.items():
            target = self.path(relative)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            file.chmod(0o400)
            file.replace(target)
        os.sync()

    def path(self, relative: str) -> Path:
        return self._home.root / relative

    def verified(self, relative: str, sha256: str) -> Path:
        """The file's path once its bytes are known to be right. Raises ArtifactDamaged.

        A file is hashed once per process, and again when its inode, size or time changed. One that the disk does not
        give back raises its OSError at the first looks of this process, and is damaged from then on.
        """
        path = self.path(relative)
        try:
            identity = _identity(path)
            if self._verified.get(relative) != identity:
                found = file_sha256(path)
                if found != sha256:
                    raise ArtifactDamaged(
                        f"artifact {relative} is damaged: its bytes hash to {found[:12]}…", relative
                    )
                self._verified[relative] = identity
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactDamaged(f"artifact {relative} is missing", relative) from None
        except OSError as error:
            if not is_unreadable(error):
                raise
            self._unreadable[relative] += 1
            if self._unreadable[relative] < LOOKS:
                raise
            raise ArtifactDamaged(f"artifact {relative} cannot be read: {error.strerror}", relative) from None
        self._unreadable.pop(relative, None)
        return path

    def distrust(self) -> None:
        """Hash everything again before it is read: the disk did not give back something that had been right."""
        self._verified.clear()

    def find(self, relative: str, sha256: str) -> Path | None:
        """The file's path, its bytes not verified; None when it is gone."""
        path = self.path(relative)
        return path if _is_there(path) else None

    def absent(self, relatives: Iterable[str]) -> list[str]:
        """Those of the paths that no bytes are to be had of."""
        return [path for path in relatives if not _is_there(self.path(path))]

    def digest(self, relative: str) -> tuple[str, int]:
        """(SHA-256, bytes) as they are now. Raises FileNotFoundError, or OSError when they cannot be read."""
        path = self.path(relative)
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise OSError(f"{path} is no file")
        return file_sha256(path), found.st_size

    def clear_scratch(self, *, dry_run: bool = False) -> int:
        """Remove what killed commands left half-written: folders that no process holds, however old or new.

        An attempt's folder (ATTEMPT_SCRATCH) is judged by its lease (`db.garbage`). Returns the number of folders.
        """
        if not self._home.scratch.is_dir():
            return 0
        folders = [path for path in self._home.scratch.iterdir() if not ATTEMPT_SCRATCH.fullmatch(path.name)]
        return sum(clear_unless_held(folder, dry_run) for folder in sorted(folders))


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _is_there(path: Path) -> bool:
    """What the disk tells nothing of counts as gone: nobody can read it."""
    for _ in range(LOOKS):
        try:
            return path.exists()
        except OSError as error:
            if not is_unreadable(error):
                raise
    return False


def _make_and_lock(folder: Path) -> int:
    """A descriptor of the folder, with a shared lock on it. Whoever finds it without one may remove it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        with suppress(OSError):  # a file system without locks on folders: there nobody removes it either
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        if lies_at(descriptor, folder):  # else it was removed before it was locked
            return descriptor
        os.close(descriptor)


def clear_unless_held(folder: Path, dry_run: bool) -> bool:
    """Whether the folder was held by nobody, and went. One that cannot be locked stays."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not lies_at(descriptor, folder):  # made anew by a living process before it was locked
            return False
    except OSError:
        return False
    else:
        if not dry_run:
            shutil.rmtree(folder, ignore_errors=True)
        return True
    finally:
        os.close(descriptor)


def _identity(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
