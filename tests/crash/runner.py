"""Kills a process at every moment of a life, or fails what it asks of the machine, lets another go on, and looks.

    python -m tests.crash.runner FOLDER [--some | --part "faults of files" [--only 17]]

Prints one JSON document: part -> moments, kinds of the moments of an undisturbed life, and what went wrong. Every life
is a forked child of this process, which does nothing itself: it has no threads and no connection to the state. Of
faults a life meets one OSError (each of ERRORS, one after the other) and goes on; what cannot go on by itself must have
said so in an error that commands print, and the next goes on.
"""

from __future__ import annotations

import argparse
import errno
import gc
import json
import os
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from db.migrate import revisions
from errors import BatonError
from settings.home import Home
from tests.crash import files_life, life, moments
from workers.broker import connect, start_private

#: More moments than any life has.
_LIMIT = 4000

ERRORS = (errno.EIO, errno.ENOSPC, errno.EMFILE)

#: What is disturbed, and one in how many moments of each kind `--some` takes.
PARTS = {"deaths of jobs": 24, "deaths of files": 24, "faults of jobs": 48, "faults of files": 48}

#: Exit status of a life that ended with an error which its command prints in a sentence.
_TOLD = 3


def in_child(act: Callable[[], None], words: Path) -> int:
    """Exit status of a forked child that acts; negative for a signal. What it raised stands in `words`."""
    words.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        except BaseException as error:
            moments.arm(-1)
            moments.arm_fault(None, -1, 0)
            code = _TOLD if isinstance(error, (OSError, BatonError)) else 1
            words.write_text(traceback.format_exc())
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


class Jobs:
    """The jobs' life. One of its broker for all of them."""

    def __init__(self, folder: Path) -> None:
        broker_home = Home(folder / "broker")
        broker_home.create()
        self.server = start_private(broker_home, folder / "redis.log")
        self._client = connect(self.server.url)
        self._url = self.server.url

    found = staticmethod(life.found)
    digests = staticmethod(life.digests)

    def begin(self) -> None:
        self._client.flushall()

    def go_on(self, home: Home) -> None:
        life.go_on(home, self._url)

    def broken_promises(self, home: Home, redone: bool) -> list[str]:
        return life.broken_promises(home, redone=redone)

    def end(self) -> None:
        self.server.process.kill()
        self.server.process.wait()


class Files:
    """The life of what is written outside of the store."""

    found = staticmethod(files_life.found)
    digests = staticmethod(files_life.digests)
    go_on = staticmethod(files_life.go_on)

    def __init__(self, folder: Path) -> None:
        """Nothing is shared."""

    def begin(self) -> None:
        """Nothing is shared."""

    def broken_promises(self, home: Home, redone: bool) -> list[str]:
        return files_life.broken_promises(home)

    def end(self) -> None:
        """Nothing is shared."""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--some", action="store_true", help="one moment in some of each kind, and one error for each"
    )
    parser.add_argument("--part", choices=PARTS, default=None)
    parser.add_argument("--only", type=int, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    revisions()  # Alembic reads its scripts once a process
    moments.install()
    gc.freeze()  # collections in the children would copy all pages of this process
    parts = {}
    for part in PARTS if options.part is None else [options.part]:
        folder = options.folder / part.replace(" ", "-")
        folder.mkdir()
        parts[part] = _run(part, folder, options)
        print(
            f"{part}: {len(parts[part]['moments'])} moments, {len(parts[part]['wrong'])} wrong",
            file=sys.stderr,
        )
    print(json.dumps(parts))
    return 0


def _run(part: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    faults, words, template = part.startswith("faults"), folder / "words", Home(folder / "template")
    lived: Jobs | Files = (Jobs if part.endswith("jobs") else Files)(folder)
    passed: list[str] = []
    broken: dict[str, list[str]] = {}
    try:
        assert in_child(lambda: lived.found(template), words) == 0, words.read_text()
        expected, names = _undisturbed(lived, folder, template, words, faults)
        for number, error in _chosen(names, part, options):
            home = Home(folder / "home")
            shutil.copytree(template.root, home.root, symlinks=True)
            lived.begin()
            if faults:
                met, wrong = _faulted(lived, home, number, error, expected, words)
            else:
                met, wrong = _died(lived, home, number, expected, words)
            shutil.rmtree(home.root)
            if not met:  # the life was over before this moment
                break
            name = f"{number} {errno.errorcode[error]}" if faults else str(number)
            passed.append(name)
            if wrong:
                broken[name] = wrong
    finally:
        lived.end()
    return {"moments": passed, "kinds": Counter(names), "wrong": broken}


def _died(
    lived: Jobs | Files, home: Home, number: int, expected: list[str], words: Path
) -> tuple[bool, list[str]]:
    died = in_child(lambda: _live(lived, home, number), words)
    wrong = [words.read_text()] if died not in (0, -signal.SIGKILL) else []
    return died != 0, wrong + _ended(lived, home, expected, words)


def _faulted(
    lived: Jobs | Files, home: Home, number: int, error: int, expected: list[str], words: Path
) -> tuple[bool, list[str]]:
    facts = words.with_name("met")
    facts.unlink(missing_ok=True)

    def live() -> None:
        moments.arm_fault(home.root, number, error)
        try:
            lived.go_on(home)
        finally:
            met = [len(moments.passed_faults()) > number, moments.broke_a_file()]
            moments.arm_fault(None, -1, 0)
            facts.write_text(json.dumps(met))

    ended = in_child(live, words)
    met, redone = json.loads(facts.read_text())
    wrong = [words.read_text()] if ended not in (0, _TOLD) else []
    return met, wrong + _ended(lived, home, expected, words, redone)


def _ended(
    lived: Jobs | Files, home: Home, expected: list[str], words: Path, redone: bool = False
) -> list[str]:
    """What is wrong once another process went on."""

    def go_on_and_judge() -> None:
        _live(lived, home, -1)
        wrong = lived.broken_promises(home, redone)
        assert not wrong, wrong
        assert lived.digests(home) == expected, "other bytes than those of the undisturbed life"

    return [] if in_child(go_on_and_judge, words) == 0 else [words.read_text()]


def _chosen(names: list[str], part: str, options: argparse.Namespace) -> Iterator[tuple[int, int]]:
    """(moment, error)"""
    errors = ERRORS if part.startswith("faults") else (0,)
    if not options.some:
        numbers = range(_LIMIT) if options.only is None else [options.only]
        yield from ((number, error) for number in numbers for error in errors)
        return
    met: Counter[str] = Counter()
    for number, name in enumerate(names):
        if met[name] % PARTS[part] == 0:
            yield number, errors[number % len(errors)]
        met[name] += 1


def _undisturbed(
    lived: Jobs | Files, folder: Path, template: Home, words: Path, faults: bool
) -> tuple[list[str], list[str]]:
    """Digests of a life that nothing disturbs, and the names of its moments."""
    home, facts = Home(folder / "calm"), folder / "facts.json"
    shutil.copytree(template.root, home.root, symlinks=True)

    def live() -> None:
        moments.arm_fault(home.root if faults else None, -1, 0)
        _live(lived, home, -1)
        names = moments.passed_faults() if faults else moments.passed()
        moments.arm_fault(None, -1, 0)
        facts.write_text(json.dumps([lived.digests(home), names]))

    assert in_child(live, words) == 0, words.read_text()
    digests, names = json.loads(facts.read_text())
    return digests, names


def _live(lived: Jobs | Files, home: Home, fatal: int) -> None:
    moments.arm(fatal)
    lived.go_on(home)


if __name__ == "__main__":
    sys.exit(main())
