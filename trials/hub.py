"""Files of a Hub on loopback, fetched under faults that are drawn at random: nothing is lost, and little comes twice.

    python -m trials.hub [--faults 300] [--seed 1] [--json FILE]

The real client of the Hub names commits and lists files; the bytes come by `hub.download` in a process of its own,
which is killed and begun again. Files have 1 KB to 300 MB. Each answer for bytes meets a fault or none: a cut, 429,
500, wrong bytes, a wrong length, or SIGKILL for whoever fetches, until all of them were met. Counted is what the server
sent (its own buffer is small), so that what the receiver's buffer held when it was thrown away counts as moved twice.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.hub.loopback import COMMIT, Fault, Hub, Repository, loopback
from trials import REPOSITORY, RESULTS, keep

#: (bytes, how many files). Small ones with a little more, so that no two are alike.
SIZES = ((1_000, 40), (30_000, 30), (500_000, 20), (5_000_000, 12), (40_000_000, 4), (300_000_000, 1))
#: Shares of all faults.
SHARES = {"cut": 0.25, "429": 0.15, "500": 0.15, "wrong bytes": 0.1, "wrong length": 0.15, "kill": 0.2}
#: How often an answer meets a fault.
_OFTEN = 0.35
#: Bytes a second of all answers together: a wire, and not a copy in memory.
PACE = 40e6
#: Bounds: moved for all files and wrong answers together; and lost by one cut or kill of a file.
MOST_MOVED = 1.05
_LEAST_LOST, _LOST_SHARE = 1 << 20, 0.01

_FETCH = """
import sys
from pathlib import Path
from hub.copies import Copy
from hub.download import Downloader, Patience
from hub.names import parse_name
class Watch:
    def should_stop(self): return False
    def moved(self, count): pass
def make(*arguments):
    return Downloader(*arguments, patience=Patience(tries=60, first_seconds=0.02, most_seconds=0.2, most_named=0.1))
copy = Copy(parse_name(sys.argv[1]), "dataset", Path(sys.argv[2]))
copy.fetch(copy.listing(), Watch(), make=make)
"""


class _Faults:
    """Dealt to answers in a fixed order of drawing; killed: what to kill."""

    def __init__(self, count: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._left = Counter({name: round(count * share) for name, share in SHARES.items()})
        self._left["cut"] += count - self._left.total()
        self.met: Counter[str] = Counter()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def left(self) -> int:
        return self._left.total()

    def of(self, path: str, start: int, end: int) -> Fault | None:
        names = [name for name, left in self._left.items() for _ in range(left)]
        if not names or self._random.random() > _OFTEN:
            return None
        name = self._random.choice(names)
        self._left[name] -= 1
        self.met[name] += 1
        length = max(1, end - start)
        place = int(length * self._random.random())
        if name == "cut":
            return Fault(cut_after=place)
        if name == "kill":
            return Fault(cut_after=place, then=self._kill)
        if name == "wrong bytes":
            return Fault(wrong_from=min(place, length - 1)) if end > start else None
        if name == "wrong length":
            return Fault(length=self._random.choice([-1, 1, 1000]))
        return Fault(status=int(name), wait=self._random.choice([None, "0", "1"]))

    def _kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=RESULTS / "hub.json")
    options = parser.parse_args()
    found = run(options.faults, options.seed)
    keep(options.json, "files fetched from a Hub on loopback under faults", found)
    print({name: value for name, value in found.items() if name != "losses"}, flush=True)
    return 0 if found["sound"] else 1


def run(count: int, seed: int) -> dict[str, Any]:
    files = _files(seed)
    folder = Path(tempfile.mkdtemp(prefix="baton-hub-trial-"))
    faults, rounds, began = _Faults(count, seed), 0, time.monotonic()
    wrong: list[str] = []
    try:
        with loopback({"lab/data": Repository(files)}) as hub:
            hub.fault, hub.pace = faults.of, PACE
            while faults.left or not rounds:  # the set is fetched again and again, each time by another name
                rounds += 1
                place = folder / str(rounds)
                tries = _fetch_whole(hub, faults, place)
                wrong += _wrong(files, place)
                shutil.rmtree(place)
                print(f"round {rounds}: {tries} processes, {faults.left} faults left", flush=True)
            wanted = rounds * sum(map(len, files.values()))
            moved, corrupt = hub.sent.total(), hub.corrupt
            losses = _losses(hub, {path: len(content) for path, content in files.items()})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    share = moved / (wanted + corrupt)
    worst = max(losses, key=lambda one: one["share_of_bound"], default=None)
    return {
        "seed": seed,
        "faults": dict(faults.met),
        "rounds": rounds,
        "files": rounds * len(files),
        "file_bytes": wanted,
        "corrupt_bytes": corrupt,
        "moved_bytes": moved,
        "moved_share": round(share, 4),
        "most_moved_share": MOST_MOVED,
        "breaks_measured": len(losses),
        "lost_by_breaks_bytes": sum(one["lost_bytes"] for one in losses),
        "worst_loss": worst,
        "beyond_bound": [one for one in losses if one["share_of_bound"] > 1],
        "wrong_files": wrong,
        "seconds": round(time.monotonic() - began, 1),
        "sound": not wrong and share <= MOST_MOVED and (worst is None or worst["share_of_bound"] <= 1.0),
    }


def _files(seed: int) -> dict[str, bytes]:
    drawn = random.Random(seed)
    return {
        f"data/{size}-{number:03}.bin": b"".join(
            drawn.randbytes(min(1 << 24, size + number - at)) for at in range(0, size + number, 1 << 24)
        )
        for size, many in SIZES
        for number in range(many)
    }


def _fetch_whole(hub: Hub, faults: _Faults, place: Path) -> int:
    """Begun again until it ends by itself. Returns how many processes it took."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "NO_PROXY": "127.0.0.1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    for tries in range(1, 1000):
        command = [sys.executable, "-c", _FETCH, f"hub:lab/data@{COMMIT}", str(place)]
        faults.process = subprocess.Popen(command, cwd=REPOSITORY, env=environment)
        if (code := faults.process.wait()) == 0:
            return tries
        if code != -signal.SIGKILL:
            raise SystemExit(f"fetching ended with {code}, and nobody killed it")
    raise SystemExit("fetching never ended")


def _wrong(files: dict[str, bytes], place: Path) -> list[str]:
    """Files that are missing or have other bytes, and what lies beside them."""
    there = next(place.glob("*/*/files"))
    found = {str(file.relative_to(there)): file.read_bytes() for file in there.rglob("*") if file.is_file()}
    return [path for path in files.keys() | found.keys() if files.get(path) != found.get(path)]


def _losses(hub: Hub, sizes: dict[str, int]) -> list[dict[str, Any]]:
    """What each break of a file cost: bytes that had been sent when it came, and were asked for again after it."""
    found = []
    last: dict[str, tuple[int, int, Fault]] = {}
    for path, start, sent, fault in hub.answers:
        before = last.get(path)
        last[path] = (start, sent, fault)
        if before is None or before[2].length or before[2].wrong_from is not None:
            continue  # nothing before it, or what was no good
        reached = before[0] + before[1]
        if reached >= sizes[path] or start < before[0]:  # it was whole; or another stretch, or another round
            continue
        bound = max(_LEAST_LOST, sizes[path] * _LOST_SHARE)
        lost = max(0, reached - start)
        what = "cut" if before[2].cut_after is not None else "the end of its process"
        found.append(
            {"path": path, "by": what, "from": before[0], "to": reached, "next_from": start, "lost_bytes": lost,
             "share_of_bound": round(lost / bound, 3)}
        )  # fmt: skip
    return found


if __name__ == "__main__":
    sys.exit(main())
