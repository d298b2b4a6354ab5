"""Running a job's body in a folder, without a queue or a database: what commands on one checkpoint do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic

from errors import BatonError
from tasks.context import Draft, Finished, InputFile, Point, TaskContext, Yielded
from tasks.kind import R, S
from tasks.memory import Memory
from tasks.memory_limits import MemoryLimits

if TYPE_CHECKING:
    from tasks.records import ArtifactRecord, Records


class LocalContext(Generic[S]):
    """Implements `tasks.context.TaskContext`. It never says stop, and keeps what is published in `folder`."""

    def __init__(self, folder: Path, spec: S, inputs: Sequence[InputFile] = ()) -> None:
        self.spec = spec
        self.inputs = inputs
        self.step = self.reached = 0
        self.memory_limits = MemoryLimits()
        self.devices: Sequence[str] = ()
        self.gang: None = None
        self.resume: Sequence[InputFile] = ()
        self.memory: Memory = {}
        self.cache: Path | None = None
        self.published: dict[str, InputFile] = {}
        self._folder = folder
        self.scratch = folder / "scratch"
        self.scratch.mkdir(parents=True, exist_ok=True)

    def points(self, beginning: str) -> Sequence[Point]:
        return ()

    def should_stop(self) -> str | None:
        return None

    def report_progress(self, step: int, total: int, values: Mapping[str, float] | None = None) -> None:
        """Nobody watches."""

    def spend(self, bucket: str, seconds: float) -> None:
        """Nobody keeps books."""

    def report_save(self, seconds: float) -> None:
        """There is no deadline to plan with it."""

    def records(self, ablation: str) -> Records:
        raise BatonError("a report needs a home")

    def find(self, artifact: ArtifactRecord) -> Path | None:
        """There are none but its own."""
        return None

    def publish(self, step: int, artifacts: Sequence[Draft], points: Sequence[Point] = ()) -> dict[str, str]:
        self.step = step
        kept = [self._keep(draft, step) for draft in artifacts]
        self.published |= {file.name: file for file in kept}
        return {file.name: file.sha256 for file in kept}

    def _keep(self, draft: Draft, step: int) -> InputFile:
        digest = hashlib.sha256()
        with draft.file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        place = self._folder / f"{draft.name}{draft.file.suffix}"
        draft.file.replace(place)
        return InputFile(draft.kind, draft.kind, draft.name, place, place.name, digest.hexdigest(), step)


def run_body(
    body: Callable[[TaskContext[S]], Finished[R] | Yielded],
    folder: Path,
    spec: S,
    inputs: Sequence[InputFile],
) -> list[InputFile]:
    """Run a body to its end. Returns what it published, in the role of its kind."""
    context = LocalContext(folder, spec, inputs)
    result = body(context)
    if not isinstance(result, Finished):
        raise BatonError(f"the body stopped ({result.reason}) though nobody asked it to")
    context.publish(context.step, result.artifacts)
    return list(context.published.values())
