"""Kills a process at every moment of the jobs' life, lets another go on, and looks at what came of it.

    python -m tests.crash.runner FOLDER [--only 17 | --every 6]

Prints one JSON document. Every life is a forked child of this process, which does nothing itself: it has no
threads and no connection to the state.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from settings.home import Home
from tests.crash import life, moments
from workers.broker import connect, start_private

#: More moments than any life has.
_LIMIT = 2000


def in_child(act: Callable[[], None], words: Path) -> int:
    """Exit status of a forked child that acts; negative for a signal. What it raised stands in `words`."""
    words.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        except BaseException:
            words.write_text(traceback.format_exc())
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", type=int, default=None)
    parser.add_argument("--every", type=int, default=1, help="die at one moment in so many of each kind")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder, words = options.folder, options.folder / "words"
    template = Home(folder / "template")
    assert in_child(lambda: life.found(template), words) == 0, words.read_text()
    broker_home = Home(folder / "broker")
    broker_home.create()
    server = start_private(broker_home, folder / "redis.log")
    client = connect(server.url)
    moments.install()
    passed: list[int] = []
    broken: dict[int, list[str]] = {}
    try:
        expected, names = _undisturbed(folder, template, server.url, words)
        for number in _chosen(names, options):
            home = Home(folder / "home")
            shutil.copytree(template.root, home.root, symlinks=True)
            client.flushall()
            died = in_child(lambda number=number, home=home: _live(home, server.url, number), words)
            if died == 0:  # the life was over before this moment
                break
            wrong = [words.read_text()] if died != -signal.SIGKILL else []
            if (
                in_child(lambda home=home: _live(home, server.url, -1), words) != 0
                or in_child(lambda home=home: _judge(home, expected), words) != 0
            ):
                wrong.append(words.read_text())
            passed.append(number)
            if wrong:
                broken[number] = wrong
            shutil.rmtree(home.root)
    finally:
        server.process.kill()
        server.process.wait()
    print(json.dumps({"moments": passed, "wrong": broken}))
    return 0


def _chosen(names: list[str], options: argparse.Namespace) -> Iterable[int]:
    if options.only is not None:
        return [options.only]
    if options.every == 1:
        return range(_LIMIT)
    met: Counter[str] = Counter()
    chosen = []
    for number, name in enumerate(names):
        if met[name] % options.every == 0:
            chosen.append(number)
        met[name] += 1
    return chosen


def _undisturbed(folder: Path, template: Home, url: str, words: Path) -> tuple[list[str], list[str]]:
    """Digests of a life that nothing disturbs, and the names of its moments."""
    home, facts = Home(folder / "calm"), folder / "facts.json"
    shutil.copytree(template.root, home.root, symlinks=True)

    def live() -> None:
        _live(home, url, -1)
        names = moments.passed()
        facts.write_text(json.dumps([life.digests(home), names]))

    assert in_child(live, words) == 0, words.read_text()
    digests, names = json.loads(facts.read_text())
    print(json.dumps({"undisturbed": names}), file=sys.stderr)
    return digests, names


def _live(home: Home, url: str, fatal: int) -> None:
    moments.arm(fatal)
    life.go_on(home, url)


def _judge(home: Home, expected: list[str]) -> None:
    wrong = life.broken_promises(home)
    assert not wrong, wrong
    assert life.digests(home) == expected, "other bytes than those of the undisturbed life"


if __name__ == "__main__":
    sys.exit(main())
