"""Attempts of a job over two ranks that a test or a trial disturbs, and what is left of them afterwards.

As a program it runs one attempt and keeps what that publishes: `python -m tests.tasks.train.gang_life FOLDER DATA`.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

from experiments.reconvla.arms import built_in_method
from experiments.reconvla.model_plan import planned_config
from tasks.context import Draft, Finished, InputFile, Point
from tasks.train import run as train
from tasks.train.gang import watch
from tasks.train.gang.processes import Group
from tasks.train.gang.watch import Watch
from tasks.train.gang.words import Line
from tests.tasks.fake_context import FakeContext, input_file
from tests.training import training_spec, write_training_index

RANKS, STEPS = 2, 16
#: Until a first sign of life too: a trial does not wait for as long as large models may take.
_FROZEN_SECONDS = 180.0
#: Without a sign of life: a trial of a hundred would wait too long for the bounds of starting and loading.
_SILENT_SECONDS = 20.0
_SIGNS_OF_LIFE = ("ALIVE_SECONDS", "STARTING_ALIVE_SECONDS", "LOADING_ALIVE_SECONDS")

#: How a local address begins in the kernel's tables: 127.0.0.1 and ::1.
_LOOPBACK = ("0100007F:", "00000000000000000000000001000000:")


def spec_of(devices: int = RANKS, **training: Any) -> dict[str, Any]:
    """A job that saves as often as it can, of a model that is a toy even among toys; two micro-batches a rank."""
    training = {"batch_size": 4, "micro_batch": 1, "checkpoint_seconds": 1e-9, **training}
    spec = training_spec(STEPS, devices=devices, **training)
    if devices > 1:
        spec["training"]["over"] = "ranks"
    small = {"vision": {"layers": 2, "image_size": 48}, "language": {"layers": 1}}
    spec["model"]["config"] = planned_config("toy", small, built_in_method("recon"))
    return spec


def data_in(folder: Path) -> list[InputFile]:
    """Made where it is not there yet."""
    if not folder.exists():
        folder.mkdir()
        write_training_index(folder)
    names = {path.name: path for path in sorted(folder.iterdir())}
    return [
        input_file("index", "index", "index.json", names["index.json"]),
        input_file("index", "index", "task_0", names["episode.safetensors"]),
    ]


class KeptContext(FakeContext):
    """What it publishes is found again by the next one over the same folder, also after the process was killed."""

    def __init__(self, folder: Path, spec: dict[str, Any], inputs: Sequence[InputFile]) -> None:
        super().__init__(folder, spec, inputs)
        self._state = folder / "state.json"
        if self._state.exists():
            held = json.loads(self._state.read_text())
            self.step = held["step"]
            files = [{**file, "path": Path(file["path"]), "verify": None} for file in held["files"]]
            self.resume = tuple(InputFile(**file) for file in files)

    def publish(self, step: int, artifacts: Sequence[Draft], points: Sequence[Point] = ()) -> dict[str, str]:
        digests = super().publish(step, artifacts, points)
        new = [asdict(file) | {"path": str(file.path)} for file in self.published if file.step == step]
        aside = self._state.with_suffix(".new")
        aside.write_text(json.dumps({"step": step, "files": new}))
        aside.replace(self._state)
        return digests


@contextmanager
def hearing(disturb: Callable[[Line], None]) -> Iterator[None]:
    """`disturb` sees every line that the ranks say, before the attempt does."""
    original = Group.next

    def heard(self: Group, seconds: float) -> Line | None:
        line = original(self, seconds)
        if line is not None:
            disturb(line)
        return line

    with mock.patch.object(Group, "next", heard):
        yield


def family(parent: int) -> tuple[int, list[int]]:
    """(launcher, ranks in their order) of the attempt in that process."""
    (launcher,) = [pid for pid in children(parent) if "gang.launcher" in command(pid)]
    numbers = {pid: rank_of(pid) for pid in children(launcher) if "gang.rank" in command(pid)}
    return launcher, sorted(numbers, key=numbers.__getitem__)


def children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.name))
    return found


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def rank_of(pid: int) -> int:
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return int(next(v for v in variables if v.startswith("RANK=")).removeprefix("RANK="))


def sockets(pids: Sequence[int]) -> set[str]:
    """Inodes of what these processes have open of the network."""
    found = set()
    for pid in pids:
        try:
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                target = str(entry.readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
        except OSError:
            continue
    return found


def listening_beyond_loopback(inodes: Collection[str]) -> list[str]:
    """Addresses of those of these sockets that others than this machine can reach."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in _table(name)]
    there = [fields[1] for fields in lines if fields[3] == "0A" and fields[9] in inodes]
    return [address for address in there if not address.startswith(_LOOPBACK)]


def listening() -> set[str]:
    """Inodes of all sockets that listen."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in _table(name)]
    return {fields[9] for fields in lines if fields[3] == "0A"}


def _table(name: str) -> list[str]:
    try:
        return Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    except OSError:
        return []


def left_of(folder: Path) -> list[str]:
    """Commands of processes that work in `folder`."""
    alive = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [told for pid in alive if pid != os.getpid() and str(folder) in (told := command(pid))]


def gone_within(folder: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while left_of(folder):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def closed_within(held: Set[str], seconds: float) -> bool:
    """Whether none of these sockets listens any more: the kernel takes a process's command from sight before it closes
    what that had open."""
    end = time.monotonic() + seconds
    while held & listening():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    os.kill(pid, number)


def digest_of(result: object) -> str:
    assert isinstance(result, Finished)
    return hashlib.sha256(result.artifacts[0].file.read_bytes()).hexdigest()


def main(folder: Path, data: Path) -> None:
    """What it hears of its ranks stands in `heard`, a line each: a word, and of a stage its name."""
    folder.mkdir(exist_ok=True)
    allowed = Watch.allowed
    with ExitStack() as stack:
        heard = stack.enter_context((folder / "heard").open("w", buffering=1))
        stack.enter_context(hearing(lambda line: print(line.word, line.values.get("stage", ""), file=heard)))
        stack.enter_context(
            mock.patch.object(Watch, "allowed", lambda own: min(allowed(own), _FROZEN_SECONDS))
        )
        for name in _SIGNS_OF_LIFE:
            stack.enter_context(mock.patch.object(watch, name, _SILENT_SECONDS))
        result = train.run(KeptContext(folder, spec_of(), data_in(data)))
    (folder / "digest").write_text(digest_of(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
