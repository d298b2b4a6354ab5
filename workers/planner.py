"""From a configuration to the jobs of an ablation.

A job's key is the hash of all that decides its output: kind, version of the body, parameters, and the keys
of the jobs it depends on. Timing (slices, checkpoints, logging) is left out of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from calvin.split import TRAINING, VALIDATION, Recording, check_place
from db.plans import Dependency, Plan, PlannedJob, RunRef
from detectors.registry import FINDERS, ON_ACCELERATOR, make_detector
from detectors.targets.table import BY_TASK, TARGETS_VERSION
from settings.ablation import AblationConfig, Training
from settings.arms import Arm, arm_named
from tasks.context import FRAMES
from tasks.model_spec import backbone_folders, check_attention, planned_model
from tasks.registry import kind_named
from workers.count_jobs import check_jobs
from workers.demonstrations import (
    PRETRAINING,
    Corpus,
    generated,
    known_tasks,
    recorded,
    shared,
)
from workers.evaluation_plan import closed_loop_shards, frames_recording, has_closed_loop

#: Parameters that change when or where work happens, or what is said of it, but not what comes out.
_TIMING = frozenset(
    {"slice_seconds", "checkpoint_seconds", "root", "simulators", "parallel", "assets", "python", "about"}
    | {"drawn_by", "drawn_basis", "frames_basis", "frames_scenes", "untrained_tasks"}
)

#: Priorities under `finish_first`, where they differ: a trained run is judged before another is trained.
_FINISH_FIRST = {"pretrain": 50, "evaluate": 45, "attention": 45, "reconstruct": 45}


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
        arms = [arm_named(name) for name in config.arms]
        known_tasks(config.data)
        if config.data.root is not None:
            check_place(Path(config.data.root).expanduser(), TRAINING)
        self._folders = backbone_folders(config.model.backbones)
        closed_loop = has_closed_loop(config)
        if closed_loop:
            _ = self._shards  # what cannot be evaluated is refused before the frames are looked at
        corpora = self._corpora(pretrained=any(arm.pretrained for arm in arms))
        self._instructions = sorted(frozenset().union(*(c.instructions for c in corpora.values())))
        for arm in arms:
            check_attention(self._model(config.training, arm)["config"], config.attention)
        indexes = {purpose: self._index(purpose, corpus) for purpose, corpus in corpora.items()}

        training: dict[RunRef, str] = {}
        ends: list[str] = []
        for seed in config.seeds:
            for arm in arms:
                ref = RunRef(arm.name, seed)
                needs = self._data(indexes[TRAINING])
                if arm.pretrained:
                    pretrain = self._train("pretrain", ref, config.pretraining, arm,
                                           self._data(indexes[PRETRAINING]), indexes[VALIDATION])  # fmt: skip
                    needs.append(Dependency(pretrain, "init"))
                train = self._train("train", ref, config.training, arm, needs, indexes[VALIDATION])
                training[ref] = train
                ends += self._judge(ref, train, indexes[VALIDATION], arm, closed_loop)
        if closed_loop and config.evaluation.random_baseline:
            ends += self._closed_loop("random", None, {"policy": "random", "seed": 0, "videos": 0}, [])
        results = list(dict.fromkeys([*ends, *indexes.values()]))
        key = _digest({"config": config.model_dump(mode="json"), "results": results})
        needs = [Dependency(result, "result") for result in results]
        self._add("report", "report", {"ablation": key, **self._not_held_out(PRETRAINING in corpora)}, needs)
        jobs = [
            planned if planned.key not in self._runs else _with_runs(planned, self._runs[planned.key])
            for planned in self._jobs.values()
        ]
        return Plan(key, config.name, config.model_dump(mode="json"), jobs, training)

    def _corpora(self, pretrained: bool) -> dict[str, Corpus]:
        """The demonstrations by what they are for: training, validation and, if asked, pretraining."""
        data, gaze = self._config.data, self._config.gaze
        known = gaze.detector == "oracle", gaze.unknown_wording == BY_TASK

        def corpus(root: str | None, purpose: str, split: str) -> Corpus:
            return generated(data, purpose) if root is None else recorded(Path(root), split, *known)

        corpora = {split: corpus(data.root, split, split) for split in (TRAINING, VALIDATION)}
        if pretrained and self._pretrains_on_training_data:
            corpora[PRETRAINING] = corpora[TRAINING]
        elif pretrained:
            corpora[PRETRAINING] = corpus(data.pretrained_on, PRETRAINING, TRAINING)
        return corpora

    def _not_held_out(self, pretrained: bool) -> dict[str, int]:
        """For the report: how many validation demonstrations were trained on too. Nothing where none was."""
        data = self._config.data
        if data.root is None:
            return {}
        roots = dict.fromkeys(
            [data.root, *([data.pretrained_on] if pretrained and data.pretrained_on else [])]
        )
        count = shared(Path(data.root), *map(Path, roots))
        return {"not_held_out": count} if count else {}

    @property
    def _pretrains_on_training_data(self) -> bool:
        data = self._config.data
        return data.root is not None and data.pretrained_on == data.root

    def _index(self, purpose: str, corpus: Corpus) -> str:
        """Ingest, gaze and index jobs of one corpus. Returns the index job's key."""
        data, detector = self._config.data, self._detector
        resource = "accelerator" if self._config.gaze.detector in ON_ACCELERATOR else None
        needs = []
        for first in range(0, len(corpus.entries), data.chunk):
            entries = corpus.entries[first : first + data.chunk]
            last = first + len(entries) - 1
            ingest = self._add(
                "ingest",
                f"ingest {purpose} {first}-{last}",
                {
                    "source": corpus.source,
                    "split": corpus.split,
                    "demonstrations": entries,
                    "identity": corpus.identity[first : last + 1],
                    **({"root": corpus.root} if corpus.root is not None else {}),
                },
                [],
                target_steps=len(entries),
            )
            needs.append(Dependency(ingest, "episode"))
            for entry in entries:
                wording = self._config.gaze.unknown_wording
                spec = {"number": entry["number"], "unknown_wording": wording, **detector}
                label = f"gaze {purpose} task_{entry['number']}"
                found = self._add("gaze", label, spec, [Dependency(ingest, "episode")], resource=resource)
                needs.append(Dependency(found, "gaze"))
        numbers = [entry["number"] for entry in corpus.entries]
        about: dict[str, Any] = {"split": corpus.split, "numbers": numbers}
        if corpus.scenes:
            about["about"] = {"scenes": dict(corpus.scenes)}
        if corpus.split != VALIDATION and self._config.gaze.untrusted != "keep":
            about["untrusted"] = self._config.gaze.untrusted
        if self._config.model.official_compat:
            about["repeat_motion"] = True
        index = self._add("index", f"index {purpose}", about, needs)
        self._ingests[index] = [need.key for need in needs if need.role == "episode"]
        return index

    def _data(self, index: str, role: str = "index") -> list[Dependency]:
        """What reads an index also needs the frames it speaks of."""
        return [Dependency(index, role), *(Dependency(key, role + FRAMES) for key in self._ingests[index])]

    @cached_property
    def _detector(self) -> dict[str, Any]:
        gaze = self._config.gaze
        options: dict[str, Any] = {}
        if gaze.detector in FINDERS:
            options = {"stages": gaze.stages, "interval": gaze.key_frame_interval}
        if gaze.detector in ("grounding_dino", "groundingdino_py"):
            options |= {"box_threshold": gaze.box_threshold, "text_threshold": gaze.text_threshold}
            options |= {"weights": gaze.weights} if gaze.weights is not None else {}
        if gaze.detector == "grounding_dino":
            options["precision"] = gaze.precision
        if gaze.detector == "groundingdino_py" and gaze.python is not None:
            options["python"] = gaze.python
        detector = make_detector(gaze.detector, **options)
        version = detector.version
        detector.check()
        about = {"detector": gaze.detector, "version": version, "options": options}
        return about | {"targets": TARGETS_VERSION}

    def _train(
        self,
        kind: str,
        ref: RunRef,
        settings: Training,
        arm: Arm,
        needs: Sequence[Dependency],
        validation: str,
    ) -> str:
        data, values = self._config.data, settings.model_dump(mode="json")
        frames = self._recording(data.pretrained_on if kind == "pretrain" else data.root)
        if settings.early_stopping is not None or settings.open_loop is not None:
            needs = [*needs, *self._data(validation, "validation")]
        if settings.open_loop is None:
            del values["open_loop"]  # keys are those of the time before it was there
        if settings.early_stopping is not None:
            values["early_stopping"]["same_frames"] = True  # not so in jobs that were planned before
        spec = {
            "model": self._model(settings, arm),
            "training": {name: value for name, value in values.items() if name != "slice_seconds"},
            "seed": ref.seed,
            "slice_seconds": settings.slice_seconds,
            "drawn_by": frames.renderer,
            "drawn_basis": frames.basis,
        }
        label = f"train {ref.arm} seed {ref.seed}" if kind == "train" else f"pretrain seed {ref.seed}"
        if kind == "pretrain" and self._pretrains_on_training_data:
            label += " on the training data"
        return self._add(kind, label, spec, needs, ref, target_steps=settings.steps)

    def _judge(self, ref: RunRef, train: str, validation: str, arm: Arm, closed_loop: bool) -> list[str]:
        """Evaluation and attention of one run."""
        evaluation = self._config.evaluation
        judged = {"model": self._model(self._config.training, arm), **self._judged_in}
        model = {**judged, "threads": evaluation.threads}
        looked_at = self._config.attention.model_dump(mode="json")
        both = [Dependency(train, "checkpoint"), *self._data(validation)]
        name = f"{ref.arm} seed {ref.seed}"
        ends = [
            self._add("evaluate", f"open-loop error {name}", {**self._open_loop, **model}, both, ref),
            self._add("attention", f"attention {name}", {"attention": looked_at, **model}, both, ref),
        ]
        if arm.reconstruction != "none":
            shown = {"seed": ref.seed, **model}
            ends.append(self._add("reconstruct", f"reconstructions {name}", shown, both, ref))
        if closed_loop:
            spec = {"policy": "reconvla", **judged}
            if arm.grounding == "crop":
                spec["gaze"] = self._detector
            ends += self._closed_loop(name, ref, spec, [Dependency(train, "checkpoint")])
        return ends

    @cached_property
    def _shards(self) -> list[dict[str, Any]]:
        return list(closed_loop_shards(self._config, lambda: self._recording(self._config.data.root)))

    @property
    def _open_loop(self) -> dict[str, Any]:
        """The frames are those on which held-out losses are measured during training, as both stand in one report."""
        training, spec = self._config.training, {"mode": "open_loop"}
        measured = training.open_loop or training.early_stopping
        frames = {} if measured is None else {"frames": measured.frames}
        return {**spec, **frames, **({"jpeg": True} if self._config.model.official_compat else {})}

    @property
    def _judged_in(self) -> dict[str, str]:
        """`precision` of the jobs that load a trained model; absent for fp32."""
        precision, training = str(self._config.evaluation.precision), self._config.training
        if precision == "auto" and training.lora is not None:
            precision = "4bit" if training.lora.four_bit else training.precision
        return {} if precision in ("auto", "fp32") else {"precision": precision}

    def _recording(self, root: str | None) -> Recording:
        """Looked up once for each dataset: frames may be drawn for it."""
        if root not in self._recordings:
            self._recordings[root] = frames_recording(self._config, root)
        return self._recordings[root]

    def _closed_loop(
        self, name: str, ref: RunRef | None, policy: Mapping[str, Any], needs: Sequence[Dependency]
    ) -> list[str]:
        keys = []
        for shard in self._shards:
            label = f"evaluate {name} sequences {shard['first']}-{shard['last'] - 1}"
            steps = shard["last"] - shard["first"]
            keys.append(self._add("evaluate", label, {**shard, **policy}, needs, ref, target_steps=steps))
        return keys

    def _model(self, settings: Training, arm: Arm) -> dict[str, Any]:
        weight = settings.reconstruction_weight
        return planned_model(self._config.model, self._folders, arm, weight, self._instructions)

    def _add(
        self,
        kind: str,
        label: str,
        spec: Mapping[str, Any],
        needs: Sequence[Dependency],
        run: RunRef | None = None,
        target_steps: int = 1,
        resource: str | None = None,
    ) -> str:
        about, fair = kind_named(kind), self._config.scheduling == "round_robin"
        priority = about.priority if fair else _FINISH_FIRST.get(kind, about.priority)
        key = _digest(
            {
                "kind": kind,
                "version": about.version,
                "spec": _without_timing(spec),
                "needs": sorted([need.key, need.role] for need in needs),
            }
        )
        if run is not None and run not in self._runs.setdefault(key, []):
            self._runs[key].append(run)
        if key not in self._jobs:
            self._jobs[key] = PlannedJob(
                key, kind, label, spec, resource or about.resource, priority, target_steps, tuple(needs),
                fair=fair, version=about.planned_version,
            )  # fmt: skip
        return key


def _with_runs(planned: PlannedJob, runs: Sequence[RunRef]) -> PlannedJob:
    return PlannedJob(**{**vars(planned), "runs": tuple(runs)})


def _without_timing(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_timing(item) for name, item in value.items() if name not in _TIMING}
    if isinstance(value, (list, tuple)):
        return [_without_timing(item) for item in value]
    return value


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
