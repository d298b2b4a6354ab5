"""Files of a repository, fetched whole and proved, whatever breaks on the way.

Bytes that came are kept; what a server means for now (429, 5xx, a cut) is waited out; wrong bytes are found by the
digest and fetched again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from errors import HubUnreachable, InvalidInput
from hub.answers import BLOCK_BYTES, Answer, Asker, NoBytes, Refused, WrongAnswer
from hub.files import HubFile
from hub.part import KEPT_BYTES, Part
from hub.small import Held
from settings.shown import shown

#: Wrong wholes of one file in a row before it is told that the Hub's bytes are not those of its listing.
_MOST_DOUBTS = 24


class Paused(Exception):
    """It was asked to stop. What came is kept."""


@dataclass(frozen=True)
class Patience:
    """How long what brings nothing is tried again: `tries` times in a row, each after twice the wait of the one before,
    by chance up to half more or less, at most `most_seconds`; a server may name a longer one, up to `most_named`."""

    tries: int = 12
    first_seconds: float = 0.5
    most_seconds: float = 120.0
    most_named: float = 600.0

    def wait(self, fruitless: int, named: float | None, chance: Callable[[], float]) -> float:
        """Seconds before the next try. fruitless: tries in a row that brought nothing, 1 or more."""
        own = min(self.most_seconds, self.first_seconds * 2.0 ** (fruitless - 1)) * (0.5 + chance())
        return own if named is None else max(own, min(named, self.most_named) * (1 + 0.1 * chance()))


@dataclass
class Counts:
    """What happened on the way. moved: bytes of bodies that were read, also those that were of no use."""

    moved: int = 0
    cuts: int = 0
    waits: int = 0
    wrong_answers: int = 0
    wrong_wholes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, **more: int) -> None:
        with self.lock:
            for name, number in more.items():
                setattr(self, name, getattr(self, name) + number)


class Watch(Protocol):
    """Whoever waits for files."""

    def should_stop(self) -> bool:
        """Asked between blocks, and some times a second while nothing comes."""

    def moved(self, count: int) -> None:
        """So many bytes more are here, or (below zero) have to come again."""


class _Unfinished(Protocol):
    @property
    def missing(self) -> tuple[int, int] | None: ...
    @property
    def held(self) -> int: ...

    etag: str | None

    def begin(self, etag: str | None) -> None: ...
    def write(self, block: bytes) -> None: ...
    def keep(self) -> None: ...
    def is_right(self) -> bool: ...
    def settle(self) -> None: ...
    def doubt(self) -> bool: ...
    def drop(self) -> None: ...
    def take(self, target: Path) -> None: ...


class Downloader:
    """Fetches files into folders. address: of a file's bytes on the Hub. headers: as `Asker` takes them."""

    def __init__(
        self,
        address: Callable[[HubFile], str],
        headers: dict[str, str],
        what: str,
        *,
        patience: Patience | None = None,
        wait_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """what: the repository, for sentences. wait_seconds: for each part of an answer."""
        self._address, self._headers, self._what = address, headers, what
        self._patience = patience or Patience()
        self._wait_seconds = wait_seconds
        self._sleep, self._chance = sleep, chance
        self.counts = Counts()

    def fetch_all(
        self, files: Sequence[HubFile], folder: Path, parts: Path, watch: Watch, at_once: int = 4
    ) -> None:
        """All of them at their paths in `folder`; `parts` keeps what is unfinished. `at_once` come side by side.

        Raises Paused, HubUnreachable, InvalidInput, OSError of the disk: the first that came up, once none is fetched
        any more.
        """
        parts.mkdir(parents=True, exist_ok=True)
        failed = threading.Event()
        local = threading.local()
        askers: list[Asker] = []

        def fetch(file: HubFile) -> None:
            if failed.is_set():
                return
            if not hasattr(local, "asker"):
                local.asker = self.asker()
                askers.append(local.asker)
            try:
                self.fetch(file, folder / file.path, parts, local.asker, _Either(watch, failed))
            except BaseException:
                failed.set()
                raise

        pool = ThreadPoolExecutor(max(1, min(at_once, len(files))), "fetch")
        try:
            for future in as_completed([pool.submit(fetch, file) for file in files]):
                future.result()
        finally:
            failed.set()
            pool.shutdown(wait=True, cancel_futures=True)
            for asker in askers:
                asker.close()

    def asker(self) -> Asker:
        return Asker(self._headers, self._wait_seconds, lambda count: self.counts.add(moved=count))

    def fetch(self, file: HubFile, target: Path, parts: Path, asker: Asker, watch: Watch) -> None:
        """One file. Raises as `fetch_all` does."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink():
            target.unlink()  # what it leads to is no file of ours
        if file.size <= KEPT_BYTES:
            self._bring(file, Held(file), target, asker, watch)
            return
        with Part(parts, file) as part:
            watch.moved(part.held)
            self._bring(file, part, target, asker, watch)

    def _bring(self, file: HubFile, part: _Unfinished, target: Path, asker: Asker, watch: Watch) -> None:
        doubts = 0
        while True:
            self._complete(file, part, asker, watch)
            part.settle()
            if part.is_right():
                part.take(target)
                return
            doubts += 1
            self.counts.add(wrong_wholes=1)
            before = part.held
            if doubts > _MOST_DOUBTS or not part.doubt():
                part.drop()  # what comes from now on may be right: a mirror or a proxy was mended
                raise InvalidInput(
                    f"{self._what}: {shown(file.path, 200)} has other bytes than the Hub's listing says "
                    f"({file.algorithm} {file.digest}), whenever they are fetched"
                )
            watch.moved(part.held - before)

    def _complete(self, file: HubFile, part: _Unfinished, asker: Asker, watch: Watch) -> None:
        """Until nothing of it is missing."""
        fruitless = 0
        while (span := part.missing) is not None:
            try:
                with asker.ask(self._address(file), file.size, span, part.etag) as answer:
                    self._take_in(answer, part, watch)
            except NoBytes as error:
                part.keep()
                now = part.missing
                came = now is None or now[0] - span[0] >= BLOCK_BYTES  # a byte a try is no progress
                fruitless = 0 if came else fruitless + 1
                self._note(error)
                if fruitless > self._patience.tries:
                    raise HubUnreachable(
                        f"{self._what}: {shown(file.path, 200)} does not come ({error}), tried {fruitless} times; what "
                        "came is kept, and the same command goes on from there"
                    ) from None
                self._wait(self._patience.wait(max(1, fruitless), error.wait_seconds, self._chance), watch)
            except Refused as error:
                raise refusal(self._what, file.path, error) from None

    def _take_in(self, answer: Answer, part: _Unfinished, watch: Watch) -> None:
        part.begin(answer.etag)
        for block in answer.blocks:
            part.write(block)
            watch.moved(len(block))
            if watch.should_stop():
                part.keep()
                raise Paused

    def _note(self, error: NoBytes) -> None:
        if isinstance(error, WrongAnswer):
            self.counts.add(wrong_answers=1)
        elif error.is_told:
            self.counts.add(waits=1)
        else:
            self.counts.add(cuts=1)

    def _wait(self, seconds: float, watch: Watch) -> None:
        while seconds > 0:
            if watch.should_stop():
                raise Paused
            self._sleep(min(0.2, seconds))
            seconds -= 0.2


def refusal(what: str, path: str, error: Refused) -> InvalidInput:
    """One sentence on what the Hub refuses for good."""
    if error.status in (401, 403):
        return InvalidInput(
            f"{what}: the Hub does not give {shown(path, 200)} to this user (status {error.status}): accept its terms "
            "on the Hub, and name a token that may read it (hf auth login, or HF_TOKEN)"
        )
    return InvalidInput(f"{what}: the Hub does not give {shown(path, 200)} ({error})")


class _Either:
    """The watch of all files, and the end of all where one failed."""

    def __init__(self, watch: Watch, failed: threading.Event) -> None:
        self._watch, self._failed = watch, failed

    def should_stop(self) -> bool:
        return self._failed.is_set() or self._watch.should_stop()

    def moved(self, count: int) -> None:
        self._watch.moved(count)
