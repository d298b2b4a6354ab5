"""Doing stored work again in a process like the worker's that did it: same device, threads and variables.

Run as a module, this is that process: it reads one `Work` a line and answers one `Made` a line.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from db.store import file_sha256
from errors import ArtifactDamaged, DatasetError, EnvironmentLacks
from settings import own_code
from settings.arithmetic import FIXED_VARIABLES, THREAD_VARIABLES, THREADS, with_variables
from settings.code_source import Source
from settings.json_values import JsonObject
from settings.own_module import command_of
from settings.parent import PARENT_VARIABLE, die_with_parent
from settings.typed_json import from_json
from tasks.context import Draft, Finished, InputFile, Point
from tasks.fixed_state import FixedState
from tasks.kind import Spec, threads_of
from tasks.local_context import LocalContext
from tasks.memory_limits import MemoryLimits
from tasks.registry import kind_named
from workers.attempt import describe
from workers.environment import attempt_environment

_MOST_THREADS = 1024
_MOST_RANKS = 1024


@dataclass(frozen=True)
class Work:
    """What a body is given. From step `first` (0: from the beginning); `last`: where to stop, None for the end. code:
    source of the user's own that it may run, by digest."""

    kind: str
    spec: JsonObject
    learned: JsonObject
    first: int
    last: int | None
    points: Sequence[tuple[str, int, float]]
    inputs: Sequence[InputFile]
    resume: Sequence[InputFile]
    device: str
    gpu: str
    threads: int
    code: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """What came of it: digests by name, measured points, and, where the body ended, its result and step.

    failure: why it could not be done. lacking: what this machine lacks for it. environment: as an attempt's.
    """

    digests: Mapping[str, str] = field(default_factory=dict)
    points: Sequence[tuple[str, int, float]] = ()
    result: JsonObject | None = None
    step: int | None = None
    failure: str | None = None
    lacking: str | None = None
    damaged: str | None = None
    environment: JsonObject = field(default_factory=dict)


class AuditContext(LocalContext[Spec]):
    """Runs a body from a stored checkpoint to another, and keeps what it makes out of the home."""

    def __init__(self, folder: Path, spec: Spec, work: Work) -> None:
        super().__init__(folder, spec, work.inputs)
        self.step = self.reached = self._at = work.first
        self.memory_limits = MemoryLimits.of_row(work.learned)
        self.resume = work.resume
        self.digests: dict[str, str] = {}
        self.measured: list[Point] = []
        self._last = work.last
        self._points = work.points

    def points(self, beginning: str) -> list[Point]:
        return [
            Point(name, step, value)
            for name, step, value in self._points
            if name.startswith(beginning) and step <= self.step
        ]

    def should_stop(self) -> str | None:
        return "audit" if self._last is not None and self._at >= self._last else None

    def report_progress(self, step: int, total: int, values: Mapping[str, float] | None = None) -> None:
        self._at = step

    def publish(self, step: int, artifacts: Sequence[Draft], points: Sequence[Point] = ()) -> dict[str, str]:
        digests = {draft.name: file_sha256(draft.file) for draft in artifacts}
        self.step = step
        self.measured += points
        if self._last is None or step == self._last:
            self.digests.update(digests)
        return digests


def do_again(work: Work, folder: Path, state: FixedState) -> Made:
    """Run the body in this process. `folder` is for what is made, and emptied."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    here: JsonObject = {}
    try:
        kind = kind_named(work.kind)
        for files in work.code.values():
            own_code.admit(Source(files))
        body = kind.load_body()
        here = _environment(work)
        if work.gpu and not here["gpu"]:
            return Made(
                lacking=f"it was made on a GPU ({work.gpu}), and there is none here", environment=here
            )
        context = AuditContext(folder, kind.spec_of(work.spec), work)
        state.establish(work.threads)
        result = body(context)
        step, told = None, None
        if isinstance(result, Finished):
            context.digests.update({draft.name: file_sha256(draft.file) for draft in result.artifacts})
            context.measured += result.points
            step, told = result.step, result.result.row()
        points = [(point.name, point.step, point.value) for point in context.measured]
        return Made(context.digests, points, told, step, environment=_environment(work))
    except ArtifactDamaged as error:
        return Made(damaged=str(error), environment=here)
    except EnvironmentLacks as error:
        return Made(lacking=str(error), environment=here)
    except Exception as error:
        if kind_named(work.kind).reads_outside and isinstance(error, DatasetError):
            return Made(lacking=str(error), environment=here)
        return Made(failure=f"doing it again failed: {describe(error)}", environment=here)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(work: Work) -> JsonObject:
    return {**attempt_environment(work.device, work.threads), "body": kind_named(work.kind).version}


class Again:
    """Does work in a process of its own, which stays for the next that needs the same surroundings.

    folder: for what is made. log: what bodies print. Use as a context manager.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder = folder
        self._log = log
        self._surroundings: Mapping[str, str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: IO[bytes] | None = None

    def __enter__(self) -> Again:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def __call__(self, work: Work, then: JsonObject | None) -> Made:
        """then: the environment of the attempt that did it, None where it was not recorded."""
        surroundings = surroundings_of(then)
        if self._process is None or self._surroundings != surroundings:
            self._end()
            self._start(surroundings)
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._answers is not None
        answer = b""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(_plain(work)).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._answers.readline()
        if answer.endswith(b"\n"):
            return from_json(Made, json.loads(answer), "what the process answered")
        code = self._process.wait()
        self._end()
        return Made(failure=f"doing it again failed: its process died (exit code {code}); see {self._log}")

    def _start(self, surroundings: Mapping[str, str]) -> None:
        reading, writing = os.pipe()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command_of("workers.audit_process", str(self._folder), str(writing)),
                stdin=subprocess.PIPE,
                stdout=log,  # libraries print to it, and the command's own output may be JSON
                stderr=log,
                pass_fds=(writing,),
                env={
                    **surroundings,
                    "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
                    PARENT_VARIABLE: str(os.getpid()),
                },
            )
        os.close(writing)
        self._answers = os.fdopen(reading, "rb")
        self._surroundings = surroundings

    def _end(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()
        if self._answers is not None:
            self._answers.close()
        self._process = self._answers = None


def surroundings_of(then: JsonObject | None) -> dict[str, str]:
    """Environment variables of a process like the one with this attempt's environment.

    Earlier versions recorded how many threads OMP_NUM_THREADS named, and no other variable.
    """
    then = then or {}
    variables = then.get("variables")
    if not isinstance(variables, Mapping):
        named = str(_recorded_threads(then))
        variables = {**FIXED_VARIABLES, **dict.fromkeys(THREAD_VARIABLES, named)}
    surroundings = with_variables(os.environ, variables)
    if not then.get("gpu"):
        surroundings["CUDA_VISIBLE_DEVICES"] = ""
    return surroundings


def work_threads(spec: Spec, then: JsonObject | None) -> int:
    """Threads of a job's body: what its parameters name, else what its process began with."""
    recorded = _recorded_threads(then or {})
    return recorded if then and "variables" in then else threads_of(spec, recorded)


def _recorded_threads(then: JsonObject) -> int:
    """As somebody recorded them, perhaps a stranger."""
    threads = then.get("threads") or THREADS
    return threads if isinstance(threads, int) and 1 <= threads <= _MOST_THREADS else THREADS


def ranks_of(then: JsonObject | None) -> int:
    """Processes that it was divided over, as somebody recorded it."""
    ranks = (then or {}).get("ranks")
    return ranks if isinstance(ranks, int) and 1 <= ranks <= _MOST_RANKS else 1


def _plain(work: Work) -> JsonObject:
    """Inverse of `from_json`. Inputs were verified: nothing of that is left to whoever reads them."""
    named = {"inputs": work.inputs, "resume": work.resume}
    return {
        **vars(work),
        **{
            role: [{**vars(file), "path": str(file.path), "verify": None} for file in files]
            for role, files in named.items()
        },
    }


def main(folder: Path, answers: IO[bytes], requests: IO[bytes]) -> None:
    die_with_parent()
    state = FixedState()
    for line in requests:
        made = do_again(from_json(Work, json.loads(line), "what is asked"), folder, state)
        answers.write(json.dumps(asdict(made)).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), os.fdopen(int(sys.argv[2]), "wb"), sys.stdin.buffer)
