"""`pip install` of the arguments, for the Makefile: what is downloaded, how much, and that it still goes on.

A terminal shows pip's own bars. Elsewhere pip would print hundreds of lines or none at all for minutes: here a line for
each large package, one when all is there, and one now and then while nothing else is said. Standard library only.
"""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

#: What pip says before it fetches a file, or takes it from its cache; `.metadata` is a few kilobytes of one.
_FILE = re.compile(
    r"\s*(?P<how>Downloading|Using cached) (?P<name>\S+?)(?P<metadata>\.metadata)? "
    r"\((?P<size>[\d.]+) (?P<unit>[kMG]?B)\)"
)
_INSTALLS = re.compile(r"Installing collected packages: (?P<names>.+)")
_UNITS = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9}

#: Files from this size on are named.
_LARGE_BYTES = 10e6

#: After so long without a line it is said that it goes on.
_SILENCE_SECONDS = 20.0

_COMMAND = (sys.executable, "-m", "pip", "install", "--no-compile")


def told(
    lines: Iterator[str | None], say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
) -> None:
    """Say what matters of what pip prints. None in `lines`: nothing came for a while."""
    began, done, doing = clock(), 0.0, "looking for packages"
    for line in lines:
        if line is None:
            say(f"  still {doing}, after {clock() - began:.0f} s")
        elif (file := _FILE.match(line)) is not None and not file["metadata"]:
            size = float(file["size"]) * _UNITS[file["unit"]]
            package = file["name"].rpartition("/")[2].partition("-")[0]
            if file["how"] == "Downloading":
                done += size
                doing = f"downloading {package} ({_megabytes(size)})"
            if size >= _LARGE_BYTES:
                cached = "" if file["how"] == "Downloading" else " from pip's cache"
                say(f"  {package}{cached}: {_megabytes(size)}")
        elif (found := _INSTALLS.match(line)) is not None:
            count = found["names"].count(",") + 1
            doing = f"unpacking {count} package{'s' * (count != 1)}"
            say(f"  {f'downloaded {_megabytes(done)} in all' if done else 'all of it is here'}; {doing} ...")


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


def _lines(stream: TextIO) -> Iterator[str | None]:
    arrived: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            arrived.put(line)
        arrived.put("")

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = arrived.get(timeout=_SILENCE_SECONDS)
        except queue.Empty:
            yield None
            continue
        if not line:
            return
        yield line


def main(arguments: list[str]) -> int:
    """pip's exit code. What it complains of goes to standard error as always."""
    if sys.stdout.isatty():
        os.execv(sys.executable, [*_COMMAND, *arguments])
    command = [*_COMMAND, "--progress-bar", "off", *arguments]
    variables = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace", env=variables) as pip:
        assert pip.stdout is not None
        told(_lines(pip.stdout), lambda line: print(line, flush=True))
    return pip.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
