"""An older build of Baton beside this one: both measured in one run, in alternating pairs."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict, TypeVar

ROOT = Path(__file__).resolve().parent.parent
_SHARED = ROOT.parent / "shared"
#: CALVIN's own files, which the repository does not carry.
DATA = Path(os.environ.get("BATON_CALVIN_MINI", _SHARED / "calvin_mini"))
ASSETS = Path(os.environ.get("BATON_CALVIN_ASSETS", _SHARED / "calvin_assets"))
Figure = TypeVar("Figure")


class Ratio(TypedDict):
    """A median over pairs and its 95 % interval."""

    ratio: float
    interval_95: tuple[float, float]


@contextmanager
def older_tree(commit: str) -> Iterator[Path]:
    """A git worktree of `commit`, removed at the end. Raises CalledProcessError for one that is not known."""
    with tempfile.TemporaryDirectory(prefix="baton-old-") as folder:
        tree = Path(folder) / "old"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=False)  # another's prune may have


def said_in(tree: Path, code: str, *words: str) -> str:
    """The last line that begins with `figure `, without it, which `code` prints in `tree`. Raises RuntimeError."""
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line.removeprefix("figure ") for line in done.stdout.splitlines() if line.startswith("figure ")]
    if not lines:
        raise RuntimeError(f"{tree}: {(done.stdout + done.stderr)[-2000:]}")
    return lines[-1]


class AnsweringBuild:
    """A process of the build in `tree` that runs `code` with these words, until the end of the `with` block: it reads
    lines and prints a line of figures for each."""

    def __init__(self, tree: Path, code: str, *words: str, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            cwd=tree, env={**os.environ, "PYTHONPATH": str(tree), **environment}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> AnsweringBuild:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def asked(self, *words: object) -> dict[str, Any]:
        """Raises RuntimeError where the process ends."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(*words, file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("figure "):
                figures: dict[str, Any] = json.loads(line.removeprefix("figure "))
                return figures
        raise RuntimeError("a build ended before it had measured")


def pairs_of(
    measure: Callable[[Path], Figure], old: Path, count: int, new: Path = ROOT
) -> Iterator[dict[str, Figure]]:
    """`count` pairs of figures, `old` and `new`; who comes first alternates."""
    for number in range(count):
        order = [("old", old), ("new", new)][:: 1 if number % 2 else -1]
        yield {side: measure(tree) for side, tree in order}


def ratio_of(ratios: Sequence[float]) -> Ratio:
    """The median of the ratios and the 95 % interval of it (10,000 resamples of the pairs)."""
    chance = random.Random(0)
    medians = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(10_000))
    return {
        "ratio": round(statistics.median(ratios), 3),
        "interval_95": (round(medians[250], 3), round(medians[9749], 3)),
    }
