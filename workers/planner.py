"""From a configuration to the jobs of an ablation.

A job's key is the hash of all that decides its output: kind, version of the body, parameters, and the keys
of the jobs it depends on. Timing (slices, checkpoints, logging) is left out of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from db.plans import Dependency, Plan, PlannedJob, RunRef
from detectors.registry import make_detector
from errors import ConfigError
from settings.ablation import AblationConfig, Training
from settings.arms import arm_named
from tasks.model_spec import planned_config
from tasks.registry import kind_named
from workers.demonstrations import PRETRAINING, TRAINING, VALIDATION, Corpus, generated, recorded

#: Parameters that change when work happens but not what comes out.
_TIMING = frozenset({"slice_seconds", "checkpoint_seconds", "root"})


class Planner:
    """Collects jobs in an order in which each follows what it needs."""

    def __init__(self, config: AblationConfig) -> None:
        self._config = config
        self._jobs: dict[str, PlannedJob] = {}
        self._runs: dict[str, list[RunRef]] = {}

    def plan(self) -> Plan:
        """Raises ConfigError or DatasetError for what cannot work; nothing is written by planning."""
        config = self._config
        arms = [arm_named(name) for name in config.arms]
        corpora = self._corpora(pretrained=any(arm.pretrained for arm in arms))
        self._instructions = sorted(frozenset().union(*(c.instructions for c in corpora.values())))
        if config.model.size != "toy":
            raise ConfigError(
                f"model.size: {config.model.size!r} cannot be trained by this version yet; use toy"
            )
        self._image_size = self._model(config.training, True)["config"]["vision"]["image_size"]
        indexes = {split: self._index(corpus) for split, corpus in corpora.items()}
        closed_loop = config.data.root is None

        training: dict[RunRef, str] = {}
        ends: list[str] = []
        for seed in config.seeds:
            for arm in arms:
                ref = RunRef(arm.name, seed)
                needs = [Dependency(indexes[TRAINING], "index")]
                if arm.pretrained:
                    pretrain = self._train("pretrain", ref, config.pretraining, True,
                                           [Dependency(indexes[PRETRAINING], "index")])  # fmt: skip
                    needs.append(Dependency(pretrain, "init"))
                train = self._train("train", ref, config.training, arm.reconstruction, needs)
                training[ref] = train
                ends += self._judge(ref, train, indexes[VALIDATION], arm.reconstruction, closed_loop)
        if closed_loop and config.evaluation.random_baseline:
            ends += self._closed_loop("random", None, {"policy": "random", "seed": 0}, [])
        results = list(dict.fromkeys([*ends, *indexes.values()]))
        key = _digest({"config": config.model_dump(mode="json"), "results": results})
        needs = [Dependency(result, "result") for result in results]
        self._add("report", "report", {"ablation": key}, needs)
        jobs = [
            planned if planned.key not in self._runs else _with_runs(planned, self._runs[planned.key])
            for planned in self._jobs.values()
        ]
        return Plan(key, config.name, config.model_dump(mode="json"), jobs, training)

    def _corpora(self, pretrained: bool) -> dict[str, Corpus]:
        data = self._config.data
        if data.root is None:
            corpora = {split: generated(data, split) for split in (TRAINING, VALIDATION)}
        else:
            corpora = {split: recorded(Path(data.root), split) for split in (TRAINING, VALIDATION)}
        if pretrained:
            corpora[PRETRAINING] = generated(data, PRETRAINING)
        return corpora

    def _index(self, corpus: Corpus) -> str:
        """Ingest, gaze and index jobs of one split. Returns the index job's key."""
        data, gaze = self._config.data, self._config.gaze
        options: dict[str, Any] = {}
        if gaze.detector == "grounding_dino":
            options = {"box_threshold": gaze.box_threshold, "text_threshold": gaze.text_threshold}
            if gaze.weights is not None:
                options["weights"] = gaze.weights
        detector = make_detector(gaze.detector, **options)
        needs = []
        for first in range(0, len(corpus.entries), data.chunk):
            entries = corpus.entries[first : first + data.chunk]
            last = first + len(entries) - 1
            ingest = self._add(
                "ingest",
                f"ingest {corpus.split} {first}-{last}",
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
                spec = {
                    "number": entry["number"],
                    "detector": gaze.detector,
                    "version": detector.version,
                    "options": options,
                }
                label = f"gaze {corpus.split} task_{entry['number']}"
                found = self._add("gaze", label, spec, [Dependency(ingest, "episode")])
                needs.append(Dependency(found, "gaze"))
        numbers = [entry["number"] for entry in corpus.entries]
        spec = {"split": corpus.split, "numbers": numbers, "image_size": self._image_size}
        return self._add("index", f"index {corpus.split}", spec, needs)

    def _train(
        self, kind: str, ref: RunRef, settings: Training, reconstruction: bool, needs: Sequence[Dependency]
    ) -> str:
        values = settings.model_dump(mode="json")
        spec = {
            "model": self._model(settings, reconstruction),
            "training": {name: value for name, value in values.items() if name != "slice_seconds"},
            "seed": ref.seed,
            "slice_seconds": settings.slice_seconds,
        }
        label = f"train {ref.arm} seed {ref.seed}" if kind == "train" else f"pretrain seed {ref.seed}"
        return self._add(kind, label, spec, needs, ref, target_steps=settings.steps)

    def _judge(
        self, ref: RunRef, train: str, validation: str, reconstruction: bool, closed_loop: bool
    ) -> list[str]:
        """Evaluation and attention of one run."""
        evaluation = self._config.evaluation
        model = {"model": self._model(self._config.training, reconstruction), "threads": evaluation.threads}
        both = [Dependency(train, "checkpoint"), Dependency(validation, "index")]
        name = f"{ref.arm} seed {ref.seed}"
        ends = [
            self._add("evaluate", f"open-loop error {name}", {"mode": "open_loop", **model}, both, ref),
            self._add("attention", f"attention {name}", model, both, ref),
        ]
        if closed_loop:
            spec = {"policy": "reconvla", "model": model["model"]}
            ends += self._closed_loop(name, ref, spec, [Dependency(train, "checkpoint")])
        return ends

    def _closed_loop(
        self, name: str, ref: RunRef | None, policy: Mapping[str, Any], needs: Sequence[Dependency]
    ) -> list[str]:
        evaluation, data = self._config.evaluation, self._config.data
        keys = []
        for first in range(0, evaluation.sequences, evaluation.sequences_per_shard):
            last = min(first + evaluation.sequences_per_shard, evaluation.sequences)
            spec = {
                "mode": "closed_loop",
                "simulator": "playtable",
                "scene": data.evaluation_scene,
                "tasks": list(data.tasks),
                "sequences": evaluation.sequences,
                "max_steps": evaluation.max_steps,
                "simulators": evaluation.simulators_per_batch,
                "threads": evaluation.threads,
                "first": first,
                "last": last,
                "slice_seconds": evaluation.slice_seconds,
                **policy,
            }
            label = f"evaluate {name} sequences {first}-{last - 1}"
            keys.append(self._add("evaluate", label, spec, needs, ref, target_steps=last - first))
        return keys

    def _model(self, settings: Training, reconstruction: bool) -> dict[str, Any]:
        model = self._config.model
        weight = settings.reconstruction_weight if reconstruction else None
        return {
            "config": planned_config(model.size, model.override, weight),
            "instructions": self._instructions,
        }

    def _add(
        self,
        kind: str,
        label: str,
        spec: Mapping[str, Any],
        needs: Sequence[Dependency],
        run: RunRef | None = None,
        target_steps: int = 1,
    ) -> str:
        about = kind_named(kind)
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
                key, kind, label, spec, about.resource, about.priority, target_steps, tuple(needs)
            )
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
