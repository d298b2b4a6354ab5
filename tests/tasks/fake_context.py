"""What a task body sees of the world, without database or queue."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, cast

from tasks.context import Draft, InputFile, Point
from tasks.kind import Spec
from tasks.memory_limits import MemoryLimits
from tasks.registry import ATTENTION, EVALUATE, GAZE, INDEX, INGEST, TRAIN, AnyKind
from tests import job_specs


class FakeContext:
    """Keeps what is published in a folder. Each attempt is a new context over the same folder.

    checks: how often `should_stop` says to go on before it gives `reason`; None for always. spec: of `kind`, which
    is guessed where it is not named.
    """

    def __init__(
        self,
        folder: Path,
        spec: Mapping[str, Any] | Spec,
        inputs: Sequence[InputFile] = (),
        *,
        memory: MutableMapping[str, Any] | None = None,
        earlier: FakeContext | None = None,
        checks: int | None = None,
        reason: str = "slice",
        reached: int = 0,
        learned: Mapping[str, Any] | None = None,
        kind: AnyKind | None = None,
        cache: Path | None = None,
    ) -> None:
        self.folder = folder
        self.spec: Any = spec if isinstance(spec, Spec) else spec_of(spec, kind)
        self.inputs = inputs
        self.memory: MutableMapping[str, Any] = {} if memory is None else memory
        self.cache = cache
        self.checks = checks
        self.reason = reason
        self.reached = reached
        self.memory_limits = MemoryLimits.of_row(learned or {})
        self.devices: Sequence[str] = ()
        self.gang: Any = None
        self.saves: list[float] = []
        self.published: list[InputFile] = [] if earlier is None else list(earlier.published)
        self.published_points: list[Point] = [] if earlier is None else list(earlier.published_points)
        self.step = 0 if earlier is None else earlier.step
        self.resume = tuple(file for file in self.published if file.step == self.step)
        self.progress: list[int] = []
        self.steps: list[int] = []  # that were published
        self.values: list[Mapping[str, float]] = []
        self.seconds: dict[str, float] = {}
        self.scratch = folder / "scratch"
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)

    def should_stop(self) -> str | None:
        if self.checks is None:
            return None
        self.checks -= 1
        return self.reason if self.checks < 0 else None

    def report_progress(self, step: int, total: int, values: Mapping[str, float] | None = None) -> None:
        self.progress.append(step)
        self.values.append(dict(values or {}))

    def publish(self, step: int, artifacts: Sequence[Draft], points: Sequence[Point] = ()) -> dict[str, str]:
        self.step = step
        self.steps.append(step)
        self.published_points += points
        new = [self.keep(draft, step) for draft in artifacts]
        self.published += new
        return {file.name: file.sha256 for file in new}

    def points(self, beginning: str) -> list[Point]:
        return [p for p in self.published_points if p.name.startswith(beginning) and p.step <= self.step]

    def report_save(self, seconds: float) -> None:
        self.saves.append(seconds)

    def keep(self, draft: Draft, step: int, role: str = "resume") -> InputFile:
        """Move a draft out of the scratch folder, as the store would."""
        digest = hashlib.sha256(draft.file.read_bytes()).hexdigest()
        kept = self.folder / f"{digest}{draft.file.suffix}"
        draft.file.replace(kept)
        return InputFile(role, draft.kind, draft.name, kept, kept.name, digest, step)

    def records(self, ablation: str) -> Any:
        raise AssertionError("only a report asks for this")

    def find(self, artifact: Any) -> Any:
        raise AssertionError("only a report asks for this")

    def spend(self, bucket: str, seconds: float) -> None:
        self.seconds[bucket] = self.seconds.get(bucket, 0.0) + seconds


def spec_of(values: Mapping[str, Any], kind: AnyKind | None = None) -> Spec:
    """Whole parameters of `kind`, or of the one whose entries these are."""
    if not values:
        return Spec()
    told = {"training": TRAIN, "attention": ATTENTION, "mode": EVALUATE, "demonstrations": INGEST, "numbers": INDEX,
            "number": GAZE}  # fmt: skip
    found = kind or next(kind for name, kind in told.items() if name in values)
    return cast(AnyKind, found).spec_of(job_specs.spec_of(found.name, values))


def input_file(role: str, kind: str, name: str, path: Path) -> InputFile:
    return InputFile(role, kind, name, path, path.name, hashlib.sha256(path.read_bytes()).hexdigest(), 0)
