"""From a configuration to the jobs of an ablation.

A job's key is the hash of all that decides its output: kind, version of the body, parameters, and the keys
of the jobs it depends on. Parameters that are `Aside` (slices, checkpoints, places) are left out of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from calvin.split import TRAINING, VALIDATION, Recording, check_place
from db.plans import Dependency, Plan, PlannedJob, RunRef
from detectors.registry import FINDERS, ON_ACCELERATOR, make_detector
from detectors.spec import DetectorSpec, FinderOptions, NoOptions
from detectors.targets.table import BY_TASK, TARGETS_VERSION
from errors import ConfigError
from experiments.reconvla.arms import Arm, arm_named
from experiments.reconvla.config import AblationConfig, Training
from experiments.reconvla.count_jobs import check_jobs
from experiments.reconvla.demonstrations import (
    PRETRAINING,
    Corpus,
    generated,
    known_tasks,
    recorded,
    shared,
)
from experiments.reconvla.evaluation_plan import (
    NO_SIMULATOR,
    closed_loop_shards,
    frames_recording,
    has_closed_loop,
)
from experiments.reconvla.model_plan import backbone_folders, check_attention, planned_model
from experiments.reconvla.rows import row_shards
from models.spec import ModelSpec
from settings.typed_json import from_json, key_json
from tasks.context import FRAMES
from tasks.kind import Kind, R, S
from tasks.registry import ATTENTION, EVALUATE, GAZE, INDEX, INGEST, PRETRAIN, RECONSTRUCT, REPORT, TRAIN
from tasks.results import TrainResult
from tasks.specs import (
    About,
    AttentionSpec,
    ClosedLoopSpec,
    GazeSpec,
    IndexSpec,
    IngestSpec,
    LookedAt,
    OpenLoopSpec,
    Precision,
    ReconstructSpec,
    ReportSpec,
    SplitName,
    TrainingSpec,
    TrainSpec,
)


class Planner:
    """Collects jobs in an order in which each follows what it needs."""

    def __init__(self, config: AblationConfig) -> None:
        self._config = config
        self._jobs: dict[str, PlannedJob] = {}
        self._runs: dict[str, list[RunRef]] = {}
        self._ingests: dict[str, list[str]] = {}  # index -> jobs that made its frames
        self._recordings: dict[str | None, Recording] = {}

    def plan(self) -> Plan:
        """Raises ConfigError or DatasetError for what cannot work; nothing is written by planning."""
        config = self._config
        check_jobs(config)
        arms = [arm_named(name) for name in config.trained]
        known_tasks(config.data)
        if config.data.root is not None:
            check_place(Path(config.data.root).expanduser(), TRAINING)
        self._folders = backbone_folders(config.model.backbones)
        closed_loop = has_closed_loop(config)
        if closed_loop:
            _ = self._shards  # what cannot be evaluated is refused before the frames are looked at
        elif config.policies:
            name = next(iter(config.policies))
            raise ConfigError(f"arms.{name}.policy: it is judged in closed loop alone; {NO_SIMULATOR}")
        corpora = self._corpora(pretrained=any(arm.pretrained for arm in arms)) if arms else {}
        self._instructions = sorted(frozenset().union(*(c.instructions for c in corpora.values())))
        for arm in arms:
            check_attention(self._model(config.training, arm).config, config.attention)
        indexes = {purpose: self._index(purpose, corpus) for purpose, corpus in corpora.items()}

        training: dict[RunRef, str] = {}
        ends: list[str] = []
        for seed in config.seeds:
            for arm in arms:
                ref = RunRef(arm.name, seed)
                needs = self._data(indexes[TRAINING])
                if arm.pretrained:
                    pretrain = self._train(PRETRAIN, ref, config.pretraining, arm,
                                           self._data(indexes[PRETRAINING]), indexes[VALIDATION])  # fmt: skip
                    needs.append(Dependency(pretrain, "init"))
                train = self._train(TRAIN, ref, config.training, arm, needs, indexes[VALIDATION])
                training[ref] = train
                ends += self._judge(ref, train, indexes[VALIDATION], arm, closed_loop)
        for name in config.policies:
            ref = RunRef(name, config.seeds[0])
            keys = self._closed_loop(name, ref, row_shards(config, name, self._shards), [])
            training[ref] = keys[0]
            ends += keys
        if closed_loop and config.evaluation.random_baseline:
            ends += self._closed_loop("random", None, self._shards, [])
        results = list(dict.fromkeys([*ends, *indexes.values()]))
        key = _digest({"config": config.model_dump(mode="json"), "results": results})
        needs = [Dependency(result, "result") for result in results]
        not_held_out = self._not_held_out(PRETRAINING in corpora)
        self._add(REPORT, "report", ReportSpec(ablation=key, not_held_out=not_held_out), needs)
        jobs = [
            planned if planned.key not in self._runs else _with_runs(planned, self._runs[planned.key])
            for planned in self._jobs.values()
        ]
        warnings = _warnings(self._shards) if closed_loop else ()
        return Plan(key, config.name, config.model_dump(mode="json"), jobs, training, warnings)

    def _corpora(self, pretrained: bool) -> dict[str, Corpus]:
        """The demonstrations by what they are for: training, validation and, if asked, pretraining."""
        data, gaze = self._config.data, self._config.gaze
        known = gaze.detector == "oracle", gaze.unknown_wording == BY_TASK

        def corpus(root: str | None, purpose: SplitName, split: SplitName) -> Corpus:
            return generated(data, purpose) if root is None else recorded(Path(root), split, *known)

        corpora: dict[str, Corpus] = {
            TRAINING: corpus(data.root, TRAINING, TRAINING),
            VALIDATION: corpus(data.root, VALIDATION, VALIDATION),
        }
        if pretrained and self._pretrains_on_training_data:
            corpora[PRETRAINING] = corpora[TRAINING]
        elif pretrained:
            corpora[PRETRAINING] = corpus(data.pretrained_on, PRETRAINING, TRAINING)
        return corpora

    def _not_held_out(self, pretrained: bool) -> int:
        """For the report: how many validation demonstrations were trained on too."""
        data = self._config.data
        if data.root is None:
            return 0
        roots = dict.fromkeys(
            [data.root, *([data.pretrained_on] if pretrained and data.pretrained_on else [])]
        )
        return shared(Path(data.root), *map(Path, roots))

    @property
    def _pretrains_on_training_data(self) -> bool:
        data = self._config.data
        return data.root is not None and data.pretrained_on == data.root

    def _index(self, purpose: str, corpus: Corpus) -> str:
        """Ingest, gaze and index jobs of one corpus. Returns the index job's key."""
        data, detector = self._config.data, self._detector
        gaze = self._config.gaze
        resource = "accelerator" if gaze.detector in ON_ACCELERATOR else None
        needs = []
        for first in range(0, len(corpus.entries), data.chunk):
            entries = corpus.entries[first : first + data.chunk]
            last = first + len(entries) - 1
            spec = IngestSpec(
                source=corpus.source,
                split=corpus.split,
                demonstrations=tuple(entries),
                identity=tuple(corpus.identity[first : last + 1]),
                root=corpus.root,
            )
            label = f"ingest {purpose} {first}-{last}"
            ingest = self._add(INGEST, label, spec, [], target_steps=len(entries))
            needs.append(Dependency(ingest, "episode"))
            for entry in entries:
                looked_for = GazeSpec(
                    number=entry.number, unknown_wording=gaze.unknown_wording, **vars(detector)
                )
                label = f"gaze {purpose} task_{entry.number}"
                found = self._add(GAZE, label, looked_for, [Dependency(ingest, "episode")], resource=resource)
                needs.append(Dependency(found, "gaze"))
        about = IndexSpec(
            split=corpus.split,
            numbers=tuple(entry.number for entry in corpus.entries),
            about=About(scenes=dict(corpus.scenes)) if corpus.scenes else None,
            untrusted=gaze.untrusted if corpus.split != VALIDATION else "keep",
            repeat_motion=self._config.model.official_compat,
        )
        index = self._add(INDEX, f"index {purpose}", about, needs)
        self._ingests[index] = [need.key for need in needs if need.role == "episode"]
        return index

    def _data(self, index: str, role: str = "index") -> list[Dependency]:
        """What reads an index also needs the frames it speaks of."""
        return [Dependency(index, role), *(Dependency(key, role + FRAMES) for key in self._ingests[index])]

    @cached_property
    def _detector(self) -> DetectorSpec:
        gaze = self._config.gaze
        options: FinderOptions | NoOptions = NoOptions()
        if gaze.detector in FINDERS:
            learned = gaze.detector in ("grounding_dino", "groundingdino_py")
            options = FinderOptions(
                stages=gaze.stages,
                interval=gaze.key_frame_interval,
                box_threshold=gaze.box_threshold if learned else None,
                text_threshold=gaze.text_threshold if learned else None,
                weights=gaze.weights if learned else None,
                precision=gaze.precision if gaze.detector == "grounding_dino" else None,
                python=gaze.python if gaze.detector == "groundingdino_py" else None,
            )
        spec = DetectorSpec(detector=gaze.detector, version=None, options=options, targets=TARGETS_VERSION)
        detector = make_detector(spec.detector, **spec.keywords)
        version = detector.version
        detector.check()
        return replace(spec, version=version)

    def _train(
        self,
        kind: Kind[TrainSpec, TrainResult],
        ref: RunRef,
        settings: Training,
        arm: Arm,
        needs: Sequence[Dependency],
        validation: str,
    ) -> str:
        data = self._config.data
        frames = self._recording(data.pretrained_on if kind is PRETRAIN else data.root)
        if settings.early_stopping is not None or settings.open_loop is not None:
            needs = [*needs, *self._data(validation, "validation")]
        spec = TrainSpec(
            model=self._model(settings, arm),
            training=_stage(settings),
            seed=ref.seed,
            slice_seconds=settings.slice_seconds,
            drawn_by=frames.renderer,
            drawn_basis=frames.basis,
        )
        label = f"train {ref.arm} seed {ref.seed}" if kind is TRAIN else f"pretrain seed {ref.seed}"
        if kind is PRETRAIN and self._pretrains_on_training_data:
            label += " on the training data"
        return self._add(kind, label, spec, needs, ref, target_steps=settings.steps)

    def _judge(self, ref: RunRef, train: str, validation: str, arm: Arm, closed_loop: bool) -> list[str]:
        """Evaluation and attention of one run."""
        config, name = self._config, f"{ref.arm} seed {ref.seed}"
        model, threads, precision = (
            self._model(config.training, arm),
            config.evaluation.threads,
            self._judged_in,
        )
        both = [Dependency(train, "checkpoint"), *self._data(validation)]
        # Held-out losses of a run are measured on the same frames while it is trained, as both stand in one report.
        measured = config.training.open_loop or config.training.early_stopping
        open_loop = OpenLoopSpec(
            mode="open_loop",
            frames=None if measured is None else measured.frames,
            jpeg=config.model.official_compat,
            model=model,
            threads=threads,
            precision=precision,
        )
        looked_at = LookedAt(**config.attention.model_dump())
        attention = AttentionSpec(attention=looked_at, model=model, threads=threads, precision=precision)
        ends = [
            self._add(EVALUATE, f"open-loop error {name}", open_loop, both, ref),
            self._add(ATTENTION, f"attention {name}", attention, both, ref),
        ]
        if arm.reconstruction != "none":
            shown = ReconstructSpec(seed=ref.seed, model=model, threads=threads, precision=precision)
            ends.append(self._add(RECONSTRUCT, f"reconstructions {name}", shown, both, ref))
        if closed_loop:
            shards = [
                replace(
                    shard,
                    policy="reconvla",
                    seed=None,
                    videos=config.evaluation.videos,
                    model=model,
                    precision=precision,
                    gaze=self._detector if arm.grounding == "crop" else None,
                )
                for shard in self._shards
            ]
            ends += self._closed_loop(name, ref, shards, [Dependency(train, "checkpoint")])
        return ends

    @cached_property
    def _shards(self) -> list[ClosedLoopSpec]:
        return list(closed_loop_shards(self._config, lambda: self._recording(self._config.data.root)))

    @property
    def _judged_in(self) -> Precision:
        """Of the jobs that load a trained model."""
        precision, training = self._config.evaluation.precision, self._config.training
        if precision != "auto":
            return precision
        if training.lora is None:
            return "fp32"
        return "4bit" if training.lora.four_bit else training.precision

    def _recording(self, root: str | None) -> Recording:
        """Looked up once for each dataset: frames may be drawn for it."""
        if root not in self._recordings:
            self._recordings[root] = frames_recording(self._config, root)
        return self._recordings[root]

    def _closed_loop(
        self, name: str, ref: RunRef | None, shards: Sequence[ClosedLoopSpec], needs: Sequence[Dependency]
    ) -> list[str]:
        keys = []
        for shard in shards:
            label = f"evaluate {name} sequences {shard.first}-{shard.last - 1}"
            keys.append(self._add(EVALUATE, label, shard, needs, ref, target_steps=shard.last - shard.first))
        return keys

    def _model(self, settings: Training, arm: Arm) -> ModelSpec:
        weight = settings.reconstruction_weight
        return planned_model(self._config.model, self._folders, arm, weight, self._instructions)

    def _add(
        self,
        kind: Kind[S, R],
        label: str,
        spec: S,
        needs: Sequence[Dependency],
        run: RunRef | None = None,
        target_steps: int = 1,
        resource: str | None = None,
    ) -> str:
        fair = self._config.scheduling == "round_robin"
        priority = kind.priority if fair or kind.finish_first is None else kind.finish_first
        key = _digest(
            {
                "kind": kind.name,
                "version": kind.version,
                "spec": key_json(spec),
                "needs": sorted([need.key, need.role] for need in needs),
            }
        )
        if run is not None and run not in self._runs.setdefault(key, []):
            self._runs[key].append(run)
        if key not in self._jobs:
            self._jobs[key] = PlannedJob(
                key, kind.name, label, spec.row(), resource or kind.resource, priority, target_steps, tuple(needs),
                fair=fair, version=kind.planned_version,
            )  # fmt: skip
        return key


def _with_runs(planned: PlannedJob, runs: Sequence[RunRef]) -> PlannedJob:
    return PlannedJob(**{**vars(planned), "runs": tuple(runs)})


def _warnings(shards: Sequence[ClosedLoopSpec]) -> tuple[str, ...]:
    """Which tasks are judged that no training demonstration shows."""
    untrained = sorted({task for shard in shards for task in shard.untrained_tasks or ()})
    return (f"data.tasks: no training demonstration shows {', '.join(untrained)}",) if untrained else ()


def _stage(settings: Training) -> TrainingSpec:
    """A training stage as a job is told of it. Held-out frames of early stopping are those of open loop."""
    values = settings.model_dump(exclude={"slice_seconds"})
    if settings.early_stopping is not None:
        values["early_stopping"] |= {"same_frames": True}  # not so in jobs that were planned before
    return from_json(TrainingSpec, values, "training")


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
