"""A file that is on its way: its bytes, and a journal of the answers that they came in.

Whoever is killed loses what came since the journal's last line, 256 KiB; a machine that is taken away, what came since
the last sync: at most 1 MiB or a hundredth of the file. Where the whole has another digest than it must, answers are
doubted one by one, the last first, and fetched again in place: a wrong answer costs itself and not the file.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from hub.files import HubFile
from settings.clock import boot_id
from settings.documents import parse_json
from settings.files import append, sync_names

#: What may be lost with a machine: the larger of so many bytes and the file's size divided by so many.
KEPT_BYTES, KEPT_SHARE = 1 << 20, 100
#: What may be lost with a process.
_NOTED_BYTES = 1 << 18
_BLOCK = 1 << 20


@dataclass
class _Stretch:
    """What one answer brought. again: how often it was fetched anew; agreed: two answers brought the same."""

    start: int
    end: int
    again: int = 0
    agreed: bool = False


def part_of(folder: Path, file: HubFile) -> Path:
    """Where the unfinished bytes of `file` lie, if there are any."""
    name = hashlib.sha256(f"{file.path}\0{file.digest}\0{file.size}".encode()).hexdigest()[:32]
    return folder / f"{name}.part"


class Part:
    """The unfinished bytes of `file`, in `folder`. For one thread of one process at a time, which `hub.copies` sees to.

    Errors are OSErrors of the disk.
    """

    def __init__(self, folder: Path, file: HubFile) -> None:
        self.file = file
        self.path = part_of(folder, file)
        self._journal_path = self.path.with_suffix(".journal")
        self._step = max(KEPT_BYTES, file.size // KEPT_SHARE)
        self._reset()

    def _reset(self) -> None:
        self._stretches: list[_Stretch] = []
        self._doubted: _Stretch | None = None
        self._was = ""  # digest of what the doubted stretch held
        self._at = self._noted = self._kept = 0
        self._same_boot = False
        self.etag: str | None = None

    def __enter__(self) -> Part:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._journal = os.open(self._journal_path, flags | os.O_APPEND, 0o666)
        try:
            self._data = os.open(self.path, flags, 0o666)
        except BaseException:
            os.close(self._journal)
            raise
        self._replay()
        self._note({"boot": boot_id()})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # who left for an error has one already, and what is finished was kept
            self.keep()
        os.close(self._data)
        os.close(self._journal)

    @property
    def missing(self) -> tuple[int, int] | None:
        """First byte that is wanted next, and the one after the last; None where all are there."""
        end = self.file.size if self._doubted is None else self._doubted.end
        return (self._at, end) if self._at < end else None

    @property
    def held(self) -> int:
        """Bytes that need not come any more."""
        if self._doubted is None:
            return self._at
        return self.file.size - (self._doubted.end - self._at)

    def begin(self, etag: str | None) -> None:
        """An answer begins, with the bytes from `missing` on."""
        line: dict[str, object] = {}
        if etag is not None and etag != self.etag:
            self.etag = line["etag"] = etag
        if self._doubted is None and (
            not self._stretches or self._stretches[-1].end > self._stretches[-1].start
        ):
            self.keep()
            self._stretches.append(_Stretch(self._at, self._at))
            line["from"] = self._at
        if line:
            self._note(line)

    def write(self, block: bytes) -> None:
        """The next bytes. They must not go beyond `missing`."""
        view = memoryview(block)
        while view:
            written = os.pwrite(self._data, view, self._at)
            view, self._at = view[written:], self._at + written
        if self._doubted is None:
            self._stretches[-1].end = self._at
        if self._at - self._kept >= self._step:
            self.keep()
        elif self._at - self._noted >= _NOTED_BYTES:
            os.write(self._journal, _line({"at": self._at}))  # not synced: it holds as long as the machine
            self._noted = self._at

    def keep(self) -> None:
        """What came is on the disk, and known after a kill."""
        if self._at == self._kept:
            return
        os.fdatasync(self._data)
        self._note({"to": self._at})
        self._kept = self._noted = self._at

    def is_right(self) -> bool:
        """Whether the whole has the digest that it must have. All its bytes are there."""
        self.keep()
        if os.fstat(self._data).st_size != self.file.size:
            os.ftruncate(self._data, self.file.size)
        return self.file.is_in(self.path)

    def settle(self) -> None:
        """The doubted stretch was fetched again: note whether it brought the same."""
        if self._doubted is None:
            return
        self._doubted.agreed = self._digest(self._doubted) == self._was
        self._note({"agreed": self._doubted.agreed})
        self._doubted = None
        self._at = self._noted = self._kept = self.file.size

    def doubt(self) -> bool:
        """The whole is wrong: the next stretch to be fetched again is `missing` now. False where two answers agree on
        every stretch, so that nothing is left to doubt."""
        found = self._next_to_doubt()
        if found is None:
            return False
        stretch = self._stretches[found]
        self._was = self._digest(stretch)
        self._note({"again": found, "was": self._was})
        self._take_up(stretch)
        return True

    def drop(self) -> None:
        """Nothing of it is worth keeping."""
        os.ftruncate(self._journal, 0)
        os.ftruncate(self._data, 0)
        self._reset()

    def take(self, target: Path) -> None:
        """Give the finished file its name; the journal goes."""
        os.fsync(self._data)
        self.path.replace(target)
        sync_names(target.parent)
        with suppress(FileNotFoundError):
            self._journal_path.unlink()

    def _next_to_doubt(self) -> int | None:
        left = [
            number for number, one in enumerate(self._stretches) if not one.agreed and one.end > one.start
        ]
        return min(left, key=lambda number: (self._stretches[number].again, -number), default=None)

    def _take_up(self, stretch: _Stretch) -> None:
        stretch.again += 1
        self._doubted = stretch
        self._at = self._noted = self._kept = stretch.start

    def _digest(self, stretch: _Stretch) -> str:
        hasher = hashlib.sha256()
        at = stretch.start
        while at < stretch.end and (block := os.pread(self._data, min(_BLOCK, stretch.end - at), at)):
            hasher.update(block)
            at += len(block)
        return hasher.hexdigest()

    def _note(self, line: dict[str, object]) -> None:
        append(self._journal, _line(line))

    def _replay(self) -> None:
        """Where the journal ends is where it goes on; a journal that contradicts itself or the bytes is dropped."""
        self._reset()
        size = os.fstat(self._data).st_size
        content = os.pread(self._journal, os.fstat(self._journal).st_size, 0)
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:  # a line that a kill cut off
            os.ftruncate(self._journal, len(whole))
        try:
            for line in whole.splitlines():
                self._follow(parse_json(line.decode()), size)
        except (ValueError, KeyError, IndexError):
            self.drop()
        if not whole and size:
            os.ftruncate(self._data, 0)

    def _follow(self, line: object, size: int) -> None:
        if not isinstance(line, dict):
            raise ValueError(line)
        if "etag" in line:
            self.etag = str(line["etag"])
        if "from" in line:
            start = _whole(line["from"], self.file.size)
            if start != self._at:
                raise ValueError(line)
            self._stretches.append(_Stretch(start, start))
            self._at = self._noted = self._kept = start
        if "boot" in line:
            self._same_boot = line["boot"] is not None and line["boot"] == boot_id()
        if "to" in line or ("at" in line and self._same_boot):
            at = _whole(line["to"] if "to" in line else line["at"], min(size, self.file.size))
            if self._doubted is None:
                self._stretches[-1].end = at
            self._at = self._noted = self._kept = at
        if "again" in line:
            self._was = str(line["was"])
            self._take_up(self._stretches[_whole(line["again"], len(self._stretches) - 1)])
        if "agreed" in line:
            if self._doubted is None:
                raise ValueError(line)
            self._doubted.agreed = bool(line["agreed"])
            self._doubted = None
            self._at = self._noted = self._kept = self.file.size


def _line(content: dict[str, object]) -> bytes:
    return json.dumps(content).encode() + b"\n"


def _whole(value: object, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(value)
    return value
