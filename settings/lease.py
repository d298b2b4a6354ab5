"""One machine at a time: a file that its holder keeps moving, where locks of other machines are not to be relied on.

Who finds it standing still, by its own clock and for as long as it looks itself, takes it over; clocks of two machines
are never compared. Processes of one machine that see the files through one mount share it: between them locks hold.

Every transaction asks for it at its beginning and just before its commit. As with any lease, a holder that is stopped
for all that time between this and the commit itself is not kept from it.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from errors import HomeInUse, StateLost
from settings.clock import boot_id, steady
from settings.new_name import NO_LINKS
from settings.processes import process_lives, process_space, process_start
from settings.watching import watched

logger = logging.getLogger("baton.lease")

#: How often the holder moves it.
BEAT_SECONDS = 5.0

#: For how long others must have seen it stand still. Clients of NFS see names that are up to a minute old (acdirmax).
STILL_SECONDS = 90.0

#: Whoever stood still for longer between a look and what follows from it looks again.
_FRESH_SECONDS = 15.0

_LOOK_SECONDS = 0.5

#: How often a file that is not there is asked for.
_LOOKS, _AGAIN_SECONDS = 5, 0.01

#: The file is as long as this, always: some clients know its new bytes before its new length.
_BYTES = 512

#: What the file holds, and when it was moved, by its own file system; None where there is none.
_Seen = tuple[str, int] | None


class Lease:
    """The lease in the file `path`. `take` it before anything else; safe to share between threads."""

    def __init__(self, path: Path, what: str) -> None:
        """what: is held, for messages."""
        self._path = path
        self._what = what
        self._machine = _machine(path)
        self._seen: _Seen = None
        self._held_since = ""
        self._mine = False
        self._lost: str | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_of_this_machine(self) -> bool:
        """Whether the file says so; takes nothing."""
        return self._names_this_machine(self._look())

    def holder(self) -> str | None:
        """Who the file names, for people; None where it is not there."""
        seen = self._look()
        return None if seen is None else _named(seen)

    def take(self, *, wait: bool = True) -> None:
        """Hold it from now on, or share it with processes of this machine. Raises HomeInUse.

        wait: for somebody else's to stand still; else HomeInUse at once.
        """
        while not self._take_or_share():
            seen = self._look()
            if seen is not None:
                self._take_away(seen, wait)
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def enter(self) -> str:
        """Before a transaction begins. Returns what names this holding. Raises StateLost: another machine has it."""
        self._ask(self._take_or_share)
        return self._held_since

    def confirm(self, holding: str) -> None:
        """Before the commit of what `enter` began. Raises StateLost: another machine has it, or had it meanwhile."""
        self._ask(lambda: self._is_held() and self._held_since == holding)

    def need(self) -> None:
        """Raises StateLost where it is known already that another machine has it."""
        if self._lost is not None:
            raise StateLost(
                f"{self._what} was taken over by {self._lost} while nothing was heard from here; all that was "
                "committed is safe"
            )

    def _ask(self, is_held: Callable[[], bool]) -> None:
        self.need()
        try:
            if not is_held():
                self._lost = self.holder() or "another machine"
        except OSError as error:
            raise StateLost(f"{self._path} cannot be read ({error.strerror}); nothing was written") from None
        self.need()

    def release(self, *, leave: bool = False) -> None:
        """Others may have it at once, where this process took it. leave: to those of this machine who share it."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        with suppress(OSError):
            self._inherit()
            if not leave and self._lost is None and self._is_held() and self._mine:
                self._path.unlink()

    def _names_this_machine(self, seen: _Seen) -> bool:
        return _read(seen).get("machine") == self._machine

    def _take_or_share(self) -> bool:
        if self._look() is None and self._claim():
            self._mine = True
        return self._is_held()

    def _is_held(self) -> bool:
        holder = _read(self._look())
        if holder.get("machine") != self._machine:
            return False
        self._held_since = str(holder.get("since"))
        return True

    def _inherit(self) -> None:
        """From a process of this machine that was killed: nobody else gives it back."""
        holder = _read(self._look())
        if process_lives(holder.get("space"), holder.get("pid", 0), holder.get("started_at")) is False:
            self._mine = True

    def _take_away(self, seen: _Seen, wait: bool) -> None:
        """Remove somebody's that stands still. Raises HomeInUse where it moves."""
        if wait:
            now = self._watch(seen)
            if now == seen:
                self._remove(seen)
                return
            if now is None or self._names_this_machine(now):
                return
        raise HomeInUse(
            f"{self._what} is held by {_named(seen)}: on a network file system one machine works at a time; "
            "end it there, or only look from here (status, report, bundle export)"
        )

    def _watch(self, seen: _Seen) -> _Seen:
        """As it is once it moves, or stood still for long enough; who waits is told why."""
        at_once = min(2 * BEAT_SECONDS, STILL_SECONDS)
        now = watched(self._look, seen, at_once, _LOOK_SECONDS)
        if now != seen:
            return now
        left = STILL_SECONDS - at_once
        logger.warning(
            "%s was held by %s; taken over in %.0f s unless that moves",
            self._what,
            _named(seen),
            left,
        )
        return watched(self._look, seen, left, _LOOK_SECONDS)

    def _remove(self, seen: _Seen) -> None:
        """Of several who saw it stand still one removes it, and nobody what came in its place."""
        away = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        with suppress(FileNotFoundError):
            self._path.rename(away)
            assert seen is not None
            if away.read_text(encoding="utf-8", errors="replace") != seen[0]:
                with suppress(OSError):
                    self._give_name(away)
            away.unlink(missing_ok=True)

    def _claim(self) -> bool:
        """Give it its name, unless there is one."""
        text, aside = self._write(secrets.token_hex(8))
        try:
            if self._give_name(aside):
                return True
            seen = self._look()
            return seen is not None and seen[0] == text
        finally:
            aside.unlink(missing_ok=True)

    def _give_name(self, aside: Path) -> bool:
        """The lease's, unless something has it. False where only a look tells who has it now. Raises OSError."""
        try:
            os.link(aside, self._path)
            return True
        except FileExistsError:  # NFS says so too where it did it and its answer was lost
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            if not self._path.exists():
                aside.rename(self._path)
                time.sleep(_LOOK_SECONDS)  # another may do the same, and the last one has it
            return False

    def _keep(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(OSError, StateLost):
                before, now = self._seen, steady()
                self.enter()
                self._seen = self._look()
                if self._seen == before:  # nobody of this machine has moved it meanwhile
                    self._inherit()  # before the file names this process
                    self._move(now)

    def _move(self, looked: float) -> None:
        try:
            _, aside = self._write(self._held_since)
            # Writing took a while: another of this machine may have given it back, and the next one taken it.
            if self._look() == self._seen and steady() - looked < _FRESH_SECONDS:
                aside.rename(self._path)
            else:
                aside.unlink()
        except OSError:  # a full disk: its time moves at least
            os.utime(self._path)
        self._seen = self._look()

    def _write(self, since: str) -> tuple[str, Path]:
        """The file under another name, on the disk. Returns what it holds."""
        holder = {
            "machine": self._machine, "since": since, "mark": secrets.token_hex(8), "host": socket.gethostname(),
            "space": process_space(), "pid": os.getpid(), "started_at": process_start(os.getpid()),
        }  # fmt: skip
        text = json.dumps(holder).ljust(_BYTES)
        aside = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, text.encode())
            os.fsync(descriptor)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        return text, aside

    def _look(self) -> _Seen:
        """Whoever asks while it is replaced may get an answer about the one before: ESTALE of NFS, ENOENT of FUSE."""
        for _ in range(_LOOKS):
            try:
                with self._path.open(encoding="utf-8", errors="replace") as stream:
                    return stream.read(), os.fstat(stream.fileno()).st_mtime_ns
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ESTALE):
                    raise
                time.sleep(_AGAIN_SECONDS)
        return None


def _machine(path: Path) -> str:
    """This start of this machine, and the mount: through two mounts of one folder no process sees another's locks."""
    return f"{boot_id() or socket.gethostname()} {path.parent.stat().st_dev:x}"


def _read(seen: _Seen) -> dict[str, Any]:
    """Empty for what cannot be understood, which is watched all the same, and where there is none."""
    try:
        found = {} if seen is None else json.loads(seen[0])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _named(seen: _Seen) -> str:
    holder = _read(seen)
    if "host" not in holder:
        return "somebody who cannot be told"
    return f"{holder['host']} (process {holder.get('pid')})"
