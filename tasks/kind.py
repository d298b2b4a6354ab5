"""What a kind of job is: all that the queue, the audit, the collector and the windows know of it.

A job's parameters (`Spec`) and what is said of it in the end (`JobResult`) are frozen dataclasses. Rows hold them as
JSON, with the number of their format where there was more than one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar

from errors import InvalidInput
from settings.arithmetic import THREADS
from settings.json_values import Json, JsonObject
from settings.shown import shown
from settings.typed_json import from_json, to_json

if TYPE_CHECKING:
    from detectors.spec import DetectorSpec
    from tasks.context import Finished, TaskContext, Yielded

Stored = TypeVar("Stored", bound="_Stored")

#: What makes an object of one format of an object of the format before.
Upgrade = Callable[[JsonObject], JsonObject]

#: The entry of a row that tells of which format it is; absent where there was only one.
FORMAT = "format"


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
        plain = to_json(self)
        assert isinstance(plain, dict)
        return {**plain, FORMAT: len(self.upgrades)} if self.upgrades else plain


class Spec(_Stored):
    """What a job is told. Fields that are `Aside` are in its row, and not in its key.

    The properties are what a queue has to know of any job. may_detect: whether one of this class can have `finds_with`.
    """

    may_detect: ClassVar[bool] = False

    @property
    def time_slice(self) -> float | None:
        """Seconds after which it gives way; None for a job that is done in one go."""
        return None

    @property
    def cpu_threads(self) -> int | None:
        """Of its sums; None where it names none."""
        return None

    @property
    def at_once(self) -> int:
        """Steps that it does side by side, so that it is no further before all of them are done."""
        return 1

    @property
    def samples_at_once(self) -> int | None:
        """Of a forward and backward pass, which can be halved when memory runs out; None where nothing is trained."""
        return None

    @property
    def finds_with(self) -> DetectorSpec | None:
        """The detector that it looks for gaze regions with; None where it looks for none."""
        return None

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

    body: `module:function`, imported on use. resource: what it needs, cpu or accelerator. priority: lower first;
    finish_first: under that scheduling. version: of the body, part of every job's key; raised when what it makes
    changes for the same input. any_build: it computes nothing and only shows results, so an open job of another version
    may be run. sliced: it yields between slices, and each slice can be done again by itself. makes: the kinds of its
    artifacts. intermediate: these are steps on the way, and may go when nothing reads them. reads_outside: what lies
    outside of the home and may have changed since. unaudited: why its work is
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
    reads_outside: bool = False
    unaudited: str = ""
    decided_by: frozenset[str] | None = None

    @property
    def planned_version(self) -> int | None:
        """What a job's row says: the version that must run it, None for any."""
        return None if self.any_build else self.version

    def load_body(self) -> Callable[[TaskContext[S]], Finished[R] | Yielded]:
        """Import and return the function."""
        module, _, function = self.body.partition(":")
        body: Callable[[TaskContext[S]], Finished[R] | Yielded] = getattr(
            importlib.import_module(module), function
        )
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


def threads_of(spec: Spec, otherwise: int = THREADS) -> int:
    """Of a job's sums; `otherwise` where its parameters name none."""
    return otherwise if spec.cpu_threads is None else spec.cpu_threads


def _class_of(classes: tuple[type[Stored], ...], values: JsonObject) -> type[Stored]:
    return next((one for one in classes if one.reads(values)), classes[0])
