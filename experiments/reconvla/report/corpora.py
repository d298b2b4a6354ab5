"""Which demonstrations the jobs of an ablation worked on: those of training, validation or pretraining.

A job's `split` alone does not tell: a dataset named for the pretraining is read from its own training split. What a run
was trained on follows from what it needed. Labels are for people, and nothing is read out of them: they may be a
stranger's, and equal work that two ablations share has the label of the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from benchmark.tasks import UNKNOWN_SCENE
from experiments.reconvla.report.titles import title_of, titles_of
from reports.parts.reproduction import DataSource
from settings.json_values import JsonObject, section, text
from tasks.records import JobRecord, ended, told
from tasks.registry import GAZE, INDEX, INGEST, PRETRAIN
from tasks.results import IngestResult
from tasks.specs import NOT_LOOKED_AT, IndexSpec, IngestSpec, TrainSpec

TRAINING, VALIDATION, PRETRAINING = PURPOSES = ("training", "validation", "pretraining")

#: (kind of a job that reads an index, the role in which it does) -> what that index is for.
_READERS = {
    ("train", "index"): TRAINING,
    ("pretrain", "index"): PRETRAINING,
    ("train", "validation"): VALIDATION,
    ("pretrain", "validation"): VALIDATION,
    ("evaluate", "index"): VALIDATION,
    ("attention", "index"): VALIDATION,
    ("reconstruct", "index"): VALIDATION,
}


@dataclass(frozen=True)
class Variant:
    """Demonstrations and regions that some rows of the table have for one purpose. index: the job. jobs: it, and those
    that it is made of. rows: their titles; empty where all rows have the same."""

    index: int
    jobs: frozenset[int]
    rows: tuple[str, ...]


class Corpora:
    """Purposes of the ingest, gaze and index jobs of one ablation, and which rows have others than the first one."""

    def __init__(
        self, jobs: Sequence[JobRecord], needs: Sequence[tuple[int, int, str]], config: JsonObject
    ) -> None:
        """jobs, needs, config: all of the ablation, as `tasks.records.Records`. `root`: the dataset of training and
        validation, None for the expert's."""
        self._jobs = {row.id: row for row in jobs if row.kind in (INGEST.name, GAZE.name, INDEX.name)}
        self._purposes: dict[int, set[str]] = {}
        self._config, self._titles = config, titles_of(config)
        kinds = {row.id: row.kind for row in jobs}
        arms: dict[int, list[str]] = {}
        for row in jobs:
            arms.setdefault(row.id, []).extend([row.arm] if row.arm is not None else [])
        self._read_by: dict[str, dict[int, dict[str, None]]] = {}  # purpose -> index -> arms, in their order
        self._trained_on: dict[int, int] = {}  # training -> index
        for reader, index, role in sorted(needs):
            purpose = _READERS.get((kinds.get(reader, ""), role))
            if purpose is not None and kinds.get(index) == INDEX.name:
                self._purposes.setdefault(index, set()).add(purpose)
                readers = self._read_by.setdefault(purpose, {}).setdefault(index, {})
                readers.update(dict.fromkeys(arms[reader]))
                if purpose == TRAINING:
                    self._trained_on[reader] = index
        self._made_of: dict[int, set[int]] = {}
        for index, made_of, _ in needs:
            if kinds.get(index) == INDEX.name and made_of in self._jobs:
                self._purposes.setdefault(made_of, set()).update(self._purposes.get(index, ()))
                self._made_of.setdefault(index, set()).add(made_of)
        data = section(config, "data")
        self.root, pretraining_root = text(data, "root"), text(data, "pretraining_root")
        if pretraining_root is None:
            pretraining_root = self._root_of_an_arm()
        self._validation_root = text(data, "validation_root")
        self._pretraining_root = pretraining_root if pretraining_root not in (None, self.root) else None

    def _root_of_an_arm(self) -> str | None:
        """The dataset that the first pretraining has to itself, where an arm says so and the ablation does not."""
        first = {
            purpose: {root for index in list(found)[:1] for root in self._roots(index)}
            for purpose, found in self._read_by.items()
        }
        alone = first.get(PRETRAINING, set()) - first.get(TRAINING, set())
        return next(iter(sorted(alone)), None)

    def _roots(self, index: int) -> set[str]:
        specs = [self._jobs[one].spec for one in self._made_of.get(index, ())]
        return {spec.root for spec in specs if isinstance(spec, IngestSpec) and spec.root is not None}

    def title(self, row: str) -> str:
        """Of a row of the table."""
        return self._titles.get(row) or title_of(self._config, row)

    def variants(self, purpose: str) -> list[Variant]:
        """What rows have for a purpose, that of the first row first."""
        found = self._read_by.get(purpose, {})
        return [
            Variant(
                index,
                frozenset({index, *self._made_of.get(index, ())}),
                tuple(map(self.title, arms)) if len(found) > 1 else (),
            )
            for index, arms in found.items()
        ]

    def of_first(self, jobs: Sequence[JobRecord]) -> list[JobRecord]:
        """`jobs` without demonstrations, regions and indexes that only other rows have than the first one."""
        first: set[int] = set()
        others: set[int] = set()
        for purpose in PURPOSES:
            for place, variant in enumerate(self.variants(purpose)):
                (others if place else first).update(variant.jobs)
        return [row for row in jobs if row.id not in others - first]

    def of_others(self) -> list[tuple[tuple[str, ...], list[JobRecord]]]:
        """(titles, jobs) of the rows that have other demonstrations or regions than the first one, for any purpose."""
        found: dict[tuple[str, ...], set[int]] = {}
        for purpose in PURPOSES:
            for variant in self.variants(purpose)[1:]:
                found.setdefault(variant.rows, set()).update(variant.jobs)
        return [
            (rows, [row for row in self._jobs.values() if row.id in jobs]) for rows, jobs in found.items()
        ]

    def trained_on(self, train: int) -> JobRecord | None:
        """The index of a training; None where nothing says."""
        return self._jobs.get(self._trained_on.get(train, -1))

    def purposes_of(self, row: JobRecord) -> tuple[str, ...]:
        """In the order of PURPOSES; pretraining on the training data itself is not told apart from training."""
        found = self._purposes.get(row.id)
        if not found:  # nothing of this ablation reads it
            found = {row.spec.split if isinstance(row.spec, (IngestSpec, IndexSpec)) else TRAINING}
        if TRAINING in found and self._pretraining_root is None:
            found = found - {PRETRAINING}
        return tuple(sorted(found, key=lambda name: (PURPOSES.index(name) if name in PURPOSES else 9, name)))

    def of(self, kind: str, purpose: str) -> list[JobRecord]:
        """Jobs of a kind that are for `purpose`."""
        return [row for row in self._jobs.values() if row.kind == kind and purpose in self.purposes_of(row)]

    @property
    def other_dataset(self) -> str | None:
        """The name of the pretraining's own dataset; None where it has the data of the ablation."""
        return None if self._pretraining_root is None else PurePath(self._pretraining_root).name

    def without_other(self, jobs: Sequence[JobRecord]) -> list[JobRecord]:
        """`jobs` without what is for the pretraining's own dataset alone."""
        return [row for row in jobs if not self._is_other(row, alone=True)]

    def of_other(self, jobs: Sequence[JobRecord]) -> list[JobRecord]:
        """Those of `jobs` that are for the pretraining's own dataset."""
        return [row for row in jobs if self._is_other(row, alone=False)]

    def _is_other(self, row: JobRecord, alone: bool) -> bool:
        if self._pretraining_root is None or row.id not in self._jobs:
            return False
        purposes = self.purposes_of(row)
        return purposes == (PRETRAINING,) if alone else PRETRAINING in purposes

    def sources(self, jobs: Sequence[JobRecord], root: str | None) -> tuple[DataSource, ...]:
        """What was trained, validated and pretrained on, as it was planned."""
        found = []
        for purpose in PURPOSES:
            variants = self.variants(purpose)
            of_purpose = [row for kind in (INGEST, INDEX) for row in self.of(kind.name, purpose)]
            place = self._pretraining_root if purpose == PRETRAINING and self._pretraining_root else root
            if len(variants) < 2:
                other = self._validation_root if purpose == VALIDATION else None
                found.append(_source(purpose, of_purpose, jobs, other or place, is_other=other is not None))
                continue
            for variant in variants:
                mine = [row for row in of_purpose if row.id in variant.jobs]
                readers = [row for row in jobs if row.arm and self.title(row.arm) in variant.rows]
                own = next(iter(sorted(self._roots(variant.index))), None)
                found.append(_source(purpose, mine, readers, own, variant.rows))
        return tuple(source for source in found if source.demonstrations)


def _source(
    purpose: str,
    made: Sequence[JobRecord],
    readers: Sequence[JobRecord],
    place: str | None,
    rows: tuple[str, ...] = (),
    is_other: bool = False,
) -> DataSource:
    """made: ingest and index jobs of it. readers: among them the trainings. place: the dataset, None for the
    expert's. is_other: it is none that anything was trained on."""
    trained = {
        PRETRAINING if row.kind == PRETRAIN.name else TRAINING: spec
        for row, spec in told(readers, TrainSpec)
        if spec.drawn_by != NOT_LOOKED_AT
    }
    scenes, seen = _scenes(made)
    spec = trained.get(purpose, trained.get(TRAINING) if purpose != PRETRAINING else None)
    drawn_by, losses = (None, None) if spec is None or is_other else (spec.drawn_by, spec.losses)
    name = "the scripted expert" if place is None else PurePath(place).name
    count = sum(len(spec.demonstrations) for _, spec in told(made, IngestSpec))
    return DataSource(purpose, name, count, scenes, drawn_by, rows=rows, losses=losses, scenes_seen=seen)


def _scenes(made: Sequence[JobRecord]) -> tuple[dict[str, int], int]:
    """Demonstrations by scene, and how many of them pictures told: those whose dataset does not say it."""
    scenes = {
        scene: count
        for _, spec in told(made, IndexSpec)
        if spec.about is not None
        for scene, count in spec.about.scenes.items()
    }
    unsaid, seen = scenes.pop(UNKNOWN_SCENE, 0), Counter[str]()
    for _, result in ended(made, IngestResult):
        seen.update(result.scenes_seen or {})
    del seen[UNKNOWN_SCENE]
    for scene, count in seen.items():
        scenes[scene] = scenes.get(scene, 0) + count
    if unsaid > seen.total():
        scenes[UNKNOWN_SCENE] = unsaid - seen.total()
    return scenes, seen.total()
