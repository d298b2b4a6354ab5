"""The context of one attempt: joins a task body to the state, the store and the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import Generic

from db import inputs as state_inputs
from db import jobs
from db.engine import Database
from db.jobs import Claim, MetricPoint, Note, Seconds, StoredArtifact
from db.rows import FileRow
from db.store import ArtifactStore
from db.values import Progress
from errors import ArtifactDamaged, BatonError
from settings.clock import steady
from tasks import context as task_context
from tasks.context import FRAMES, Draft, InputFile, Point
from tasks.kind import S
from tasks.memory import Memory
from tasks.memory_limits import MemoryLimits
from tasks.records import Find, Records
from workers.records import found_in, records_of
from workers.unsaved import Unsaved


class StopSignal:
    """Why the worker's current attempt shall stop. Set from signal handlers and the heartbeat thread."""

    def __init__(self) -> None:
        self._reason: str | None = None

    def set(self, reason: str) -> None:
        self._reason = self._reason or reason

    @property
    def reason(self) -> str | None:
        return self._reason


class AttemptContext(Generic[S]):
    """Implements `tasks.context.TaskContext` for a claimed job.

    slice_ends_at is a reading of `clock`, must_end_at one of `settings.clock.steady`: a machine that sleeps comes
    nearer to its end, and its slices are as long as before.
    """

    def __init__(
        self,
        database: Database,
        store: ArtifactStore,
        claim: Claim,
        spec: S,
        memory_limits: MemoryLimits,
        cleanup: ExitStack,
        memory: Memory,
        worker_stop: StopSignal,
        slice_ends_at: float | None,
        must_end_at: float | None,
        clock: Callable[[], float] = time.monotonic,
        steady_clock: Callable[[], float] = steady,
        environment: Callable[[], Mapping[str, object] | None] = lambda: None,
        unsaved: Unsaved | None = None,
    ) -> None:
        """spec, memory_limits: what the claim says of them. environment: what the attempt runs on, told when
        it is asked for. unsaved: the worker's flag, raised while this attempt is further than what it published."""
        self._database = database
        self._store = store
        self._claim = claim
        self._clock, self._steady_clock = clock, steady_clock
        self._began = clock()
        self.spec = spec
        self.environment = environment
        self.memory_limits = memory_limits
        self._unsaved = unsaved or Unsaved()
        self._worker_stop = worker_stop
        self._slice_ends_at = slice_ends_at
        self._must_end_at = must_end_at
        self._seconds = dict.fromkeys(("useful", "replayed", "checkpoint", "load", "idle"), 0.0)
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._began_at = claim.step
        #: What is done before the body says how far it is; None: nothing that takes long.
        self.stage: str | None = None
        self.job_stop = StopSignal()
        #: Whether its worker is wanted for a job of several devices, and has been for long enough.
        self.is_wanted_elsewhere = False
        self.devices = claim.devices
        self.gang: task_context.Gang | None = None
        self.step = claim.step
        self.save_seconds: float | None = None
        self._cleanup = cleanup
        self._scratch: Path | None = None
        self.memory = memory
        self.resume: tuple[InputFile, ...] = ()

    @cached_property
    def inputs(self) -> tuple[InputFile, ...]:
        """Read and verified when first asked for. Raises ArtifactDamaged."""
        rows = state_inputs.needed(self._database, self._claim.job_id)
        return tuple(self._file(row.role, row) for row in rows)

    @property
    def reached(self) -> int:
        return self._claim.reached

    def points(self, beginning: str) -> list[Point]:
        rows = state_inputs.points(self._database, self._claim.job_id, beginning, self.step)
        return [Point(row.name, row.step, row.value) for row in rows]

    @property
    def scratch(self) -> Path:
        """Made when it is first asked for; many jobs write no file."""
        if self._scratch is None:
            name = f"{self._claim.job_id}-{self._claim.lease_token}"
            self._scratch = self._cleanup.enter_context(self._store.scratch(name))
        return self._scratch

    @property
    def cache(self) -> Path:
        return self._store.cache

    @property
    def progress(self) -> Progress | None:
        """What was last reported; before that what is done until then, None where that takes no time."""
        with self._lock:
            stage = self.stage
            if self._progress is not None or stage is None:
                return self._progress
        return {"step": self.step, "total": self._claim.target_steps, "values": {}, "stage": stage}

    @property
    def furthest(self) -> int:
        """The furthest step this attempt was at."""
        reported = self.progress
        return self.step if reported is None else max(self.step, reported["step"])

    @property
    def seconds(self) -> Seconds:
        """What was booked so far, and how long the attempt has taken."""
        return Seconds(**self._seconds, took=self._clock() - self._began)

    def book_rest(self, unbooked: str) -> None:
        """What the body did not book was idle; where it books no steps at all, it counts as `unbooked`."""
        steps = self._seconds["useful"] + self._seconds["replayed"]
        rest = self._clock() - self._began - sum(self._seconds.values())
        self.spend("idle" if steps else unbooked, max(0.0, rest))

    def should_stop(self) -> str | None:
        """A slice is over only once it brought the job further: loading longer than a slice must not loop."""
        reason = self.job_stop.reason or self._worker_stop.reason
        if reason is None and _reached(self._must_end_at, self._steady_clock()):
            reason = "deadline"
        if reason is None and self._went_on() and _reached(self._slice_ends_at, self._clock()):
            reason = "slice"
        if reason is None and self.is_wanted_elsewhere and self._went_on():
            reason = "a job of several devices waits for this one"
        return reason

    def _went_on(self) -> bool:
        return self._progress is not None and self._progress["step"] > self._began_at

    def report_progress(self, step: int, total: int, values: Mapping[str, float] | None = None) -> None:
        with self._lock:
            self._progress = {"step": step, "total": total, "values": dict(values or {})}
            self._unsaved.anything = step > self.step

    def spend(self, bucket: str, seconds: float) -> None:
        self._seconds[bucket] += seconds

    def report_save(self, seconds: float) -> None:
        self.save_seconds = max(seconds, self.save_seconds or 0.0)

    def publish(self, step: int, artifacts: Sequence[Draft], points: Sequence[Point] = ()) -> dict[str, str]:
        with self._store.publication():
            stored = self.store(artifacts)
            jobs.publish(
                self._database,
                self._claim,
                step,
                stored,
                metric_points(points),
                self.seconds,
                time.time(),
                self.environment(),
            )
        with self._lock:
            self.step = step
            self._unsaved.anything = self._progress is not None and self._progress["step"] > step
        return {item.name: item.sha256 for item in stored}

    def records(self, ablation: str) -> Records:
        return records_of(self._database, ablation)

    @property
    def find(self) -> Find:
        return found_in(self._store)

    def store(self, drafts: Sequence[Draft]) -> list[StoredArtifact]:
        """Move drafts into the store. They become facts when a row of theirs is committed."""
        stored = []
        for draft in drafts:
            digest, path, size = self._store.put(draft.file)
            stored.append(StoredArtifact(draft.kind, draft.name, digest, path, size, draft.final))
        return stored

    def take_up(self) -> None:
        """Find what earlier attempts left to go on from. Raises LeaseLost.

        Reading all its bytes takes longer than a lease where a model is large: heartbeats have begun before.
        """
        if self._claim.lease_token > 1:  # else no earlier attempt could have published anything
            self.resume = self._read_resume()

    def _read_resume(self) -> tuple[InputFile, ...]:
        """The newest set of files whose bytes are right; falling back to an older one is an event."""
        rows = state_inputs.own(self._database, self._claim.job_id)
        damage: list[str] = []
        for step in dict.fromkeys(row.step for row in rows if row.step <= self._claim.step):
            try:
                files = tuple(self._file("resume", row) for row in rows if row.step == step)
            except ArtifactDamaged as error:
                damage.append(str(error))
                continue
            self._note_fallback(step, damage)
            return files
        self._note_fallback(0, damage)
        return ()

    def _note_fallback(self, step: int, damage: Sequence[str]) -> None:
        if not damage:
            return
        message = f"{self._claim.label}: back to step {step} from {self._claim.step}: {'; '.join(damage)}"
        jobs.fall_back(self._database, self._claim, step, message, time.time())
        self.step = self._began_at = step

    def _file(self, role: str, row: FileRow) -> InputFile:
        verify = partial(self._store.verified, row.path, row.sha256)
        # Frames may be hundreds of gigabytes, of which a slice touches a part: their reader verifies them.
        later = verify if role.endswith(FRAMES) else None
        path = self._store.path(row.path) if later else verify()
        return InputFile(role, row.kind, row.name, path, row.path, row.sha256, row.step, later)


def _reached(moment: float | None, now: float) -> bool:
    return moment is not None and now >= moment


def metric_points(points: Sequence[Point]) -> list[MetricPoint]:
    return [MetricPoint(point.name, point.step, point.value) for point in points]


def notes(given: Sequence[task_context.Note]) -> list[Note]:
    return [Note(note.kind, note.message, note.data) for note in given]


def describe(error: BaseException) -> str:
    """One line for the database: Baton's own errors speak for themselves, others carry their type."""
    text = str(error).splitlines()[0] if str(error) else ""
    return text if isinstance(error, BatonError) and text else f"{type(error).__name__}: {text}"[:500]
