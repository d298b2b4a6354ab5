"""What a kind of job is: all that the queue, the audit, the collector and the windows know of it.

A job's parameters (`Spec`) and what is said of it in the end (`JobResult`) are frozen dataclasses. Rows hold them as
JSON, with the number of their format where there was more than one.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, Protocol, TypeVar

from errors import ConfigError, InvalidInput
from settings.arithmetic import THREADS
from settings.json_values import Json, JsonObject
from settings.shown import shown
from settings.typed_json import both_json, from_json, to_json
from settings.uncollected import imported, uncollected

if TYPE_CHECKING:
    from typing_extensions import Self

    from tasks.context import ElsewhereContext, Finished, TaskContext, Yielded

Stored = TypeVar("Stored", bound="_Stored")

#: What makes an object of one format of an object of the format before.
Upgrade = Callable[[JsonObject], JsonObject]

#: The entry of a row that tells of which format it is; absent where there was only one.
FORMAT = "format"

#: Entries of an attempt's environment that are told to people only: no result depends on these.
FOR_PEOPLE = frozenset({"device", "baton", "commit", "celery", "os", "cores", "memory_gib", "gpus", "nodes"})


class _Stored:
    """A frozen dataclass that rows hold. upgrades: one for each format that there was before, oldest first."""

    upgrades: ClassVar[tuple[Upgrade, ...]] = ()

    @classmethod
    def reads(cls, values: JsonObject) -> bool:
        """Whether `values` are of this class, where a kind has several."""
        return True

    @classmethod
    def upgraded(cls, values: JsonObject, what: str) -> JsonObject:
        """In today's format. Raises InvalidInput for one that is not known."""
        number = values.get(FORMAT, 0)
        if not isinstance(number, int) or not 0 <= number <= len(cls.upgrades):
            raise InvalidInput(
                f"{what}: {FORMAT} {shown(number)} is not known to this Baton, or of a newer one"
            )
        for upgrade in cls.upgrades[number:]:
            values = upgrade(values)
        return values

    def row(self) -> dict[str, Json]:
        """As rows hold it."""
        return self._of_format(to_json(self))

    def row_and_key(self, seen: dict[type, tuple[object, tuple[Json, Json]]]) -> tuple[dict[str, Json], Json]:
        """`row`, and what of it keys are made of. seen: as for `settings.typed_json.both_json`."""
        plain, keyed = both_json(self, seen)
        return self._of_format(plain), keyed

    def _of_format(self, plain: Json) -> dict[str, Json]:
        assert isinstance(plain, dict)
        return {**plain, FORMAT: len(self.upgrades)} if self.upgrades else plain


class Part(Protocol):
    """What jobs work with that has a version of its own, beside that of their kind: a detector. Equal ones are equal
    in Python, and hashable."""

    def difference(self) -> str | None:
        """How this build's is another than was planned: `detector colour 3 (here 4)`; None where it is that, or is not
        on this machine."""


class Spec(_Stored):
    """What a job is told. Fields that are `Aside` are in its row, and not in its key.

    The properties are what a queue has to know of any job. has_parts: whether one of this class can have a `part`.
    """

    has_parts: ClassVar[bool] = False

    @property
    def time_slice(self) -> float | None:
        """Seconds after which it gives way; None for a job that is done in one go."""
        return None

    @property
    def cpu_threads(self) -> int | None:
        """Of its sums; None where it names none."""
        return None

    @property
    def processes(self) -> int:
        """That it is divided over; their number decides the order of its sums."""
        return 1

    @property
    def machines(self) -> int:
        """That the processes are on, as many on each."""
        return 1

    @property
    def elastic(self) -> bool:
        """Whether it goes on with fewer machines where some are lost."""
        return False

    def divided_over(self, processes: int) -> Self:
        """The same work over another number of processes. Raises ConfigError for what is not divided."""
        raise ConfigError("only training is divided over devices")

    @property
    def at_once(self) -> int:
        """Steps that it does side by side, so that it is no further before all of them are done."""
        return 1

    @property
    def samples_at_once(self) -> int | None:
        """Of a forward and backward pass, which can be halved when memory runs out; None where nothing is trained."""
        return None

    @property
    def part(self) -> Part | None:
        return None

    def of_the_way(self, name: str) -> bool:
        """Whether it depends on interruptions if there is an artifact of this name; what is in it does not."""
        return False

    def keyed(self) -> Self:
        """What of it is in the job's key, beside that nothing `Aside` is."""
        return self

    def keeping_all(self) -> Self:
        """Told to publish all artifacts that are of the way."""
        return self

    @property
    def loads_model(self) -> bool:
        """Whether weights and sums on a GPU decide what comes out."""
        return True


class JobResult(_Stored):
    """Small JSON in the row of a job that has ended, which reports read."""

    def of_the_way(self) -> frozenset[str]:
        """Fields that depend on how often the job was interrupted: an audit does not compare them."""
        return frozenset()


S = TypeVar("S", bound=Spec)
R = TypeVar("R", bound=JobResult)


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[S, R]):
    """specs, results: several where jobs of the kind come in forms.

    body: `module:function`, imported on use. elsewhere: of what another machine does for an attempt, as a function of a
    `tasks.context.ElsewhereContext`; empty where one machine does all. resource: what it needs, cpu or accelerator.
    priority: lower first;
    finish_first: under that scheduling. version: of the body, part of every job's key; raised when what it makes
    changes for the same input. any_build: it computes nothing and only shows results, so an open job of another version
    may be run. sliced: it yields between slices, and each slice can be done again by itself. makes: the kinds of its
    artifacts. intermediate: these are steps on the way, and may go when nothing reads them. pictured: how many of its
    jobs a report shows pictures of, which keep their artifacts and those that they read. reads_outside: what lies
    outside of the home and may have changed since. changes: by version, how its output differs from
    that of the version before, for people whose homes do it again. unaudited: why its work is
    not done again by `audit`; empty where it is. decided_by: libraries and properties of a machine that decide what it
    makes; None for all that are recorded.
    """

    name: str
    specs: tuple[type[S], ...]
    results: tuple[type[R], ...]
    body: str
    resource: Literal["cpu", "accelerator"]
    priority: int
    version: int
    makes: tuple[str, ...]
    finish_first: int | None = None
    any_build: bool = False
    sliced: bool = False
    intermediate: bool = False
    pictured: int = 0
    reads_outside: bool = False
    changes: Mapping[int, str] = field(default_factory=dict)
    unaudited: str = ""
    decided_by: frozenset[str] | None = None
    elsewhere: str = ""

    @property
    def planned_version(self) -> int | None:
        """What a job's row says: the version that must run it, None for any."""
        return None if self.any_build else self.version

    def reasons(self, before: int | None, now: int | None) -> list[str]:
        """Why bodies of two versions differ, oldest first; nothing that is not known."""
        if before is None or now is None:
            return []
        return [self.changes[version] for version in range(before + 1, now + 1) if version in self.changes]

    def load_body(self) -> Callable[[TaskContext[S]], Finished[R] | Yielded]:
        """Import and return the function."""
        module, _, function = self.body.partition(":")
        # torch and transformers make a million objects, which all stay. Once they are there a worker may hold a model.
        first = module not in sys.modules and "torch" not in sys.modules
        with imported() if first else uncollected():
            loaded = importlib.import_module(module)
        body: Callable[[TaskContext[S]], Finished[R] | Yielded] = getattr(loaded, function)
        return body

    def load_elsewhere(self) -> Callable[[ElsewhereContext[S]], None]:
        """Import and return the function that does another machine's part."""
        module, _, function = self.elsewhere.partition(":")
        body: Callable[[ElsewhereContext[S]], None] = getattr(importlib.import_module(module), function)
        return body

    def spec_class(self, values: JsonObject) -> type[S]:
        """Of these parameters."""
        return _class_of(self.specs, values)

    def spec_of(self, values: JsonObject) -> S:
        """Parameters as a row has them. Raises InvalidInput naming the entry that is missing or of another type."""
        what = f"parameters of a job of the kind {self.name}"
        shape = self.spec_class(values)
        return from_json(shape, shape.upgraded(values, what), what)

    def result_of(self, values: JsonObject) -> R:
        """What a row says of a job's end. Raises InvalidInput as `spec_of` does."""
        what = f"result of a job of the kind {self.name}"
        shape = _class_of(self.results, values)
        return from_json(shape, shape.upgraded(values, what), what)


def decides(name: str, kind: Kind[Spec, JobResult], spec: Spec) -> bool:
    """Whether the entry `name` of an attempt's environment (`workers.environment`) decides what a job makes.

    Threads do not: a job is done again with the number it had.
    """
    if name in FOR_PEOPLE or name == "threads":
        return False
    return kind.decided_by is None or spec.loads_model or name in kind.decided_by


def threads_of(spec: Spec, otherwise: int = THREADS) -> int:
    """Of a job's sums; `otherwise` where its parameters name none."""
    return otherwise if spec.cpu_threads is None else spec.cpu_threads


def _class_of(classes: tuple[type[Stored], ...], values: JsonObject) -> type[Stored]:
    return next((one for one in classes if one.reads(values)), classes[0])
