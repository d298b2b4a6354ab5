"""What a task body sees of the world: typed inputs, a place for its files, and when to stop.

A body is a function `run(context) -> Result`. It imports neither the database nor the queue, so it
runs and tests with any object that has these methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from errors import BatonError
from settings.json_values import JsonObject
from tasks.kind import JobResult, Spec
from tasks.memory import Memory
from tasks.memory_limits import MemoryLimits

if TYPE_CHECKING:
    from tasks.records import Find, Records

S = TypeVar("S", bound=Spec, covariant=True)
R = TypeVar("R", bound=JobResult, covariant=True)

#: Roles of episodes that a job maps and reads in part end like this; `tasks.data.index_reader` verifies their bytes
#: when it first opens one.
FRAMES = "_frames"

#: Among a progress's values: environment steps so far, of sequences that have not ended too.
STEPS_PLAYED = "environment_steps"


@dataclass(frozen=True)
class InputFile:
    """One artifact of a job that this one depends on. Its bytes were verified, except in a role of FRAMES."""

    role: str
    kind: str
    name: str
    path: Path
    reference: str  # relative to the home, as the database stores it
    sha256: str
    step: int
    verify: Callable[[], object] | None = None  # before it is first read, where that was left to the reader


@dataclass(frozen=True)
class Draft:
    """A file in the context's scratch folder that shall become an artifact.

    kind: one of those that the job's kind `makes`.
    name: tells a job's artifacts apart; the same name at another step is a later version.
    """

    kind: str
    name: str
    file: Path
    final: bool = True


@dataclass(frozen=True)
class Point:
    """A measured figure at a training step (or 0)."""

    name: str
    step: int
    value: float


@dataclass(frozen=True)
class Note:
    """Something the body decided that belongs in the event log: kind, a sentence, and its figures."""

    kind: str
    message: str
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished(Generic[R]):
    """The job is done.

    step: the last step that was done, where the body ended before its target; None for the target. plan: what the
    ablations that ask for the job are from now on (a `db.plans.Plan`, which bodies of experiments make); None: as they
    were.
    """

    artifacts: Sequence[Draft]
    points: Sequence[Point] = ()
    step: int | None = None
    notes: Sequence[Note] = ()
    plan: object = None
    result: R = field(kw_only=True)


@dataclass(frozen=True)
class Yielded:
    """Stopped on request after publishing everything worth keeping; the job goes on later."""

    reason: str


#: What a machine tells that was told to leave: the attempt saves and ends, if there is time.
LEAVES = "leaves"
#: What one tells that cannot begin with its part, with a sentence that says why.
UNABLE = "unable"


@dataclass(frozen=True)
class Node:
    """A machine that does a part of an attempt. address: where the ranks of others reach its own. devices: as of
    `TaskContext`."""

    address: str
    devices: Sequence[str] = ()


class Gang(Protocol):
    """The machines of an attempt that several compute."""

    @property
    def name(self) -> str:
        """Of the attempt; no other has it."""

    @property
    def nodes(self) -> Sequence[Node]:
        """This one first."""

    def call(self, told: JsonObject) -> None:
        """Have the others begin, each with a `ElsewhereContext`. Raises LeaseLost."""

    def words(self) -> Iterator[JsonObject | None]:
        """What others that do their part no more told of it, `LEAVES` or `UNABLE`; None of one that is gone."""


class ElsewhereContext(Protocol[S]):
    """Handed to whatever does another machine's part of an attempt. It holds no lease, and publishes nothing."""

    @property
    def spec(self) -> S:
        """The job's parameters, as the attempt has them."""
        ...

    @property
    def name(self) -> str:
        """As of `Gang`."""

    @property
    def number(self) -> int:
        """Of this machine among the attempt's, where the first is 0."""

    @property
    def node(self) -> Node: ...

    @property
    def told(self) -> JsonObject:
        """What the first one told."""

    @property
    def inputs(self) -> Sequence[InputFile]:
        """As of `TaskContext`."""

    def checkpoint(self, step: int) -> Sequence[InputFile]:
        """The files that the job published at that step. Raises ArtifactDamaged where one is not there whole."""

    @property
    def scratch(self) -> Path:
        """An empty folder."""

    @property
    def memory(self) -> Memory:
        """As of `TaskContext`."""

    def is_over(self) -> bool:
        """Whether the attempt has ended, or nobody can say for longer than its lease. Cheap: the state is asked once in
        a while."""

    def tell(self, why: JsonObject) -> None:
        """Why this part ended before the attempt did. Nothing where that is over."""


class TaskContext(Protocol[S]):
    """Handed to a body by whoever runs it."""

    @property
    def spec(self) -> S:
        """The job's own parameters."""
        ...

    @property
    def inputs(self) -> Sequence[InputFile]:
        """Artifacts of the jobs this one depends on, in a fixed order."""

    @property
    def step(self) -> int:
        """The step that earlier attempts, or this one's last `publish`, reached."""

    @property
    def reached(self) -> int:
        """The furthest step any attempt was seen at: steps up to it are done again, not anew."""

    @property
    def memory_limits(self) -> MemoryLimits:
        """What earlier attempts found out and this one obeys."""

    @property
    def gang(self) -> Gang | None:
        """The machines of the attempt; None where it is on one."""

    @property
    def devices(self) -> Sequence[str]:
        """CUDA's names of the GPUs of all workers of this machine that are set aside for the attempt; empty: those
        that this process sees, or the processor."""

    def points(self, beginning: str) -> Sequence[Point]:
        """This job's published points up to `step` whose names begin so, oldest first."""

    @property
    def resume(self) -> Sequence[InputFile]:
        """The newest undamaged set of files this job published at an earlier step; empty at the start."""

    @property
    def scratch(self) -> Path:
        """An empty folder for files being written."""

    @property
    def memory(self) -> Memory:
        """Survives from attempt to attempt in one worker process: models, read files. May be empty."""

    @property
    def cache(self) -> Path | None:
        """A folder for results kept by content, shared by the home's workers; None where nothing shall be kept."""

    def should_stop(self) -> str | None:
        """Why to stop at the next step boundary (slice over, preempted, cancelled, ...), else None."""

    def report_progress(self, step: int, total: int, values: Mapping[str, float] | None = None) -> None:
        """Tell whoever watches. Cheap: may be called at every step."""

    def publish(self, step: int, artifacts: Sequence[Draft], points: Sequence[Point] = ()) -> dict[str, str]:
        """Make a checkpoint at `step` durable while the body goes on.

        Returns the SHA-256 of each artifact by name. Raises LeaseLost when fenced.
        """

    def records(self, ablation: str) -> Records:
        """All there is now of the ablation with this key."""

    @property
    def find(self) -> Find:
        """Files of artifacts in `records`."""

    def spend(self, bucket: str, seconds: float) -> None:
        """Book seconds as `useful`, `replayed`, `checkpoint`, `load` or `idle`."""

    def report_save(self, seconds: float) -> None:
        """How long a checkpoint took from snapshot to fact; deadlines are planned with it."""


def inputs_of(context: TaskContext[Spec], role: str) -> tuple[InputFile, ...]:
    """The inputs that play `role`, in order."""
    return tuple(item for item in context.inputs if item.role == role)


def one_input(files: Iterable[InputFile], role: str, name: str | None = None) -> InputFile:
    """The single file with this role (and name). Raises BatonError when it is not exactly one."""
    found = [item for item in files if item.role == role and name in (None, item.name)]
    if len(found) != 1:
        what = role if name is None else f"{role}/{name}"
        raise BatonError(f"expected one input {what}, found {len(found)}")
    return found[0]
