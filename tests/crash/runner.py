"""Kills a process at every moment of a life, or fails what it asks of the machine, lets another go on, and looks.

    python -m tests.crash.runner FOLDER [--some | --part "faults of files" [--only 17]]

Prints one JSON document: part -> moments, kinds of the moments of an undisturbed life, kinds of files and the errors
that they met, what went wrong, and moments of that life that no other came to. Every life is a forked child of this
process, which does nothing itself: it has no threads and no connection to the state. Of faults a life meets one OSError
(each of ERRORS, one after the other) and goes on; what cannot go on by itself must have said so with that error, or one
that names what the machine lacks, and the next goes on.
"""

from __future__ import annotations

import argparse
import errno
import gc
import json
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from db.migrate import revisions
from settings.home import Home
from tests.crash import files_life, life, moments
from tests.crash.children import TOLD, in_child
from workers.broker import connect, start_private

#: More moments than any life has.
_LIMIT = 4000

ERRORS = (errno.EIO, errno.ENOSPC, errno.EMFILE)

PARTS = ("deaths of jobs", "deaths of files", "faults of jobs", "faults of files")

#: One in how many moments of each kind of death `--some` takes.
_SOME = 24

#: How often a life is asked to come to a moment: lives differ in how often they sync the state's log.
_TRIES = 5


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
    revisions()  # read once a process
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
    not_reached: list[str] = []
    met: dict[str, set[str]] = {}
    try:
        assert in_child(lambda: lived.found(template), words) == 0, words.read_text()
        expected, names = _undisturbed(lived, folder, template, words, faults)
        for number, error in _chosen(names, options):
            wrong = _disturbed(lived, folder, template, number, error, expected)
            if wrong is None and number >= len(names):  # the life was over before this moment
                break
            name = f"{number} {errno.errorcode[error]}" if error else str(number)
            if wrong is None:
                not_reached.append(name)
                continue
            passed.append(name)
            if wrong:
                broken[name] = wrong
            elif faults and number < len(names):
                met.setdefault(names[number][1], set()).add(errno.errorcode[error])
    finally:
        lived.end()
    kinds = Counter(name for name, _ in names)
    files = {kind: sorted(numbers) for kind, numbers in met.items()}
    return {
        "moments": passed, "kinds": kinds, "files": files, "wrong": broken, "not_reached": not_reached
    }  # fmt: skip


def _disturbed(
    lived: Jobs | Files, folder: Path, template: Home, number: int, error: int, expected: list[str]
) -> list[str] | None:
    """What is wrong after a death (error 0) or a fault at this moment; None for lives that never come to it."""
    home, words = Home(folder / "home"), folder / "words"
    for _ in range(_TRIES):
        shutil.copytree(template.root, home.root, symlinks=True)
        try:
            lived.begin()
            wrong = (
                _faulted(lived, home, number, error, expected, words)
                if error
                else _died(lived, home, number, expected, words)
            )
        finally:
            shutil.rmtree(home.root)
        if wrong is not None:
            return wrong
    return None


def _died(lived: Jobs | Files, home: Home, number: int, expected: list[str], words: Path) -> list[str] | None:
    died = in_child(lambda: _live(lived, home, number), words)
    if died == 0:
        return None
    wrong = [words.read_text()] if died != -signal.SIGKILL else []
    return wrong + _ended(lived, home, expected, words)


def _faulted(
    lived: Jobs | Files, home: Home, number: int, error: int, expected: list[str], words: Path
) -> list[str] | None:
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

    ended = in_child(live, words, error)
    met, redone = json.loads(facts.read_text())
    if ended == 0 and not met:
        return None
    wrong = [words.read_text()] if ended not in (0, TOLD) or not met else []
    return wrong + _ended(lived, home, expected, words, redone)


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


def _chosen(names: list[tuple[str, str]], options: argparse.Namespace) -> Iterator[tuple[int, int]]:
    """(moment, error); error 0 is death."""
    faults = any(kind for _, kind in names)
    if options.some:
        yield from _some_faults(names) if faults else _some_deaths(names)
        return
    for number in range(_LIMIT) if options.only is None else [options.only]:
        yield from ((number, error) for error in (ERRORS if faults else (0,)))


def _some_deaths(names: list[tuple[str, str]]) -> Iterator[tuple[int, int]]:
    """One in some of each kind of moment."""
    met: Counter[str] = Counter()
    for number, (name, _) in enumerate(names):
        if met[name] % _SOME == 0:
            yield number, 0
        met[name] += 1


def _some_faults(names: list[tuple[str, str]]) -> Iterator[tuple[int, int]]:
    """Every error for each kind of file, and everything that is done with it."""
    done: dict[str, dict[str, list[int]]] = {}
    for number, (name, kind) in enumerate(names):
        done.setdefault(kind, {}).setdefault(name, []).append(number)
    for places in done.values():
        ways = list(places.values())
        for turn in range(max(len(ERRORS), len(ways))):
            numbers = ways[turn % len(ways)]
            yield numbers[turn // len(ways) % len(numbers)], ERRORS[turn % len(ERRORS)]


def _undisturbed(
    lived: Jobs | Files, folder: Path, template: Home, words: Path, faults: bool
) -> tuple[list[str], list[tuple[str, str]]]:
    """Digests of a life that nothing disturbs, and its moments, each with the kind of file where it is a fault's.

    Of several lives the shortest counts.
    """
    home, facts = Home(folder / "calm"), folder / "facts.json"

    def live() -> None:
        moments.arm_fault(home.root if faults else None, -1, 0)
        _live(lived, home, -1)
        names = moments.passed_faults() if faults else [(name, "") for name in moments.passed()]
        moments.arm_fault(None, -1, 0)
        facts.write_text(json.dumps([lived.digests(home), names]))

    lives: list[tuple[list[str], list[tuple[str, str]]]] = []
    for _ in range(3):
        shutil.copytree(template.root, home.root, symlinks=True)
        lived.begin()
        assert in_child(live, words) == 0, words.read_text()
        shutil.rmtree(home.root)
        lives.append(json.loads(facts.read_text()))
    assert all(digests == lives[0][0] for digests, _ in lives)
    return min(lives, key=lambda found: len(found[1]))


def _live(lived: Jobs | Files, home: Home, fatal: int) -> None:
    moments.arm(fatal)
    lived.go_on(home)


if __name__ == "__main__":
    sys.exit(main())
