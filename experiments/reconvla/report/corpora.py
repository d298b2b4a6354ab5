"""Which demonstrations the jobs of an ablation worked on: those of training, validation or pretraining.

A job's `split` alone does not tell: a dataset named for the pretraining is read from its own training split. What a run
was trained on follows from what it needed. Labels are for people, and nothing is read out of them: they may be a
stranger's, and equal work that two ablations share has the label of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from reports.parts.reproduction import DataSource
from settings.json_values import JsonObject, section, text
from tasks.records import JobRecord, told
from tasks.registry import GAZE, INDEX, INGEST, PRETRAIN
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


class Corpora:
    """Purposes of the ingest, gaze and index jobs of one ablation."""

    def __init__(
        self, jobs: Sequence[JobRecord], needs: Sequence[tuple[int, int, str]], config: JsonObject
    ) -> None:
        """jobs, needs, config: all of the ablation, as `tasks.records.Records`. `root`: the dataset of training and
        validation, None for the expert's."""
        self._jobs = {row.id: row for row in jobs if row.kind in (INGEST.name, GAZE.name, INDEX.name)}
        self._purposes: dict[int, set[str]] = {}
        kinds = {row.id: row.kind for row in jobs}
        for reader, index, role in needs:
            purpose = _READERS.get((kinds.get(reader, ""), role))
            if purpose is not None and kinds.get(index) == INDEX.name:
                self._purposes.setdefault(index, set()).add(purpose)
        for index, made_of, _ in needs:
            if kinds.get(index) == INDEX.name and made_of in self._jobs:
                self._purposes.setdefault(made_of, set()).update(self._purposes.get(index, ()))
        data = section(config, "data")
        self.root, pretraining_root = text(data, "root"), text(data, "pretraining_root")
        self._validation_root = text(data, "validation_root")
        self._pretraining_root = pretraining_root if pretraining_root not in (None, self.root) else None

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
        trained = {
            PRETRAINING if row.kind == PRETRAIN.name else TRAINING: spec
            for row, spec in told(jobs, TrainSpec)
            if spec.drawn_by != NOT_LOOKED_AT
        }
        found = []
        for purpose in PURPOSES:
            ingests = told(self.of(INGEST.name, purpose), IngestSpec)
            entries = [entry for _, spec in ingests for entry in spec.demonstrations]
            if not entries:
                continue
            place = self._pretraining_root if purpose == PRETRAINING and self._pretraining_root else root
            if purpose == VALIDATION and self._validation_root is not None:
                place = self._validation_root
            scenes = {
                scene: count
                for _, spec in told(self.of(INDEX.name, purpose), IndexSpec)
                if spec.about is not None
                for scene, count in spec.about.scenes.items()
            }
            spec = trained.get(purpose, trained.get(TRAINING) if purpose != PRETRAINING else None)
            is_other = purpose == VALIDATION and self._validation_root is not None
            drawn_by, losses = (None, None) if spec is None or is_other else (spec.drawn_by, spec.losses)
            name = "the scripted expert" if place is None else PurePath(place).name
            found.append(DataSource(purpose, name, len(entries), scenes, drawn_by, losses=losses))
        return tuple(found)
