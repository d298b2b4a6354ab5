"""Parameters and results of jobs, whole, of which a test says what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.records import JobRecord
from tasks.registry import kind_named
from tests.training import training_spec

_MODEL = training_spec(1)["model"]
_JUDGED = {"model": _MODEL, "threads": 1}
_TRAIN = {**training_spec(1), "drawn_by": "tiny", "drawn_basis": None}

_SPECS: dict[str, dict[str, Any]] = {
    "fetch": {"name": f"hub:lab/data@{'c' * 40}", "of": "dataset"},
    "plan": {"settings": {}},
    "ingest": {"source": "calvin", "split": "training", "demonstrations": [], "identity": [], "root": "/data"},
    "gaze": {"number": 0, "detector": "colour", "version": None, "options": {}, "targets": 1,
             "unknown_wording": "no_target"},
    "index": {"split": "training", "numbers": []},
    "pretrain": _TRAIN,
    "train": _TRAIN,
    "open_loop": {"mode": "open_loop", **_JUDGED},
    "closed_loop": {
        "mode": "closed_loop", "policy": "reconvla", "model": _MODEL, "simulator": "playtable", "scene": "D",
        "scenes": "baton", "assets": None, "python": None, "renderer": "tiny", "frames_renderer": "tiny",
        "frames_basis": None, "frames_scenes": None, "untrained_tasks": [], "tasks": [], "drawn": 10,
        "instructions": None, "max_steps": 5, "simulators": 1, "parallel": False, "policy_batch": 1, "threads": 1,
        "videos": 0, "video_attention": False, "first": 0, "last": 1, "slice_seconds": 600.0,
    },
    "attention": {"attention": {"frames": 4, "layer": -1, "heads": []}, **_JUDGED},
    "reconstruct": {"seed": 0, **_JUDGED},
    "report": {"ablation": "k"},
}  # fmt: skip

_RESULTS: dict[str, dict[str, Any]] = {
    "fetch": {"files": 1, "bytes": 1, "moved": 1, "cuts": 0, "waits": 0, "wrong": 0},
    "plan": {"jobs": 1},
    "ingest": {"demonstrations": 1, "expert_missed": []},
    "gaze": {"frames": 0, "trusted": 0, "figures": {}, "objects": {}, "sources": {}, "iou_sum": {}},
    "index": {"items": 1, "with_target": 1, "demonstrations": 1, "weighed_down": 0, "dropped": 0},
    "pretrain": {"steps": 1},
    "train": {"steps": 1},
    "open_loop": {"mode": "open_loop", "frames": 4, "mean_absolute_error": 0.5},
    "closed_loop": {"mode": "closed_loop", "results": [], "scene": "D", "simulator": "playtable", "success": [0.0] * 5,
                    "avg_len": 0.0},
    "attention": {"frames": 4},
    "reconstruct": {"frames": 4},
    "report": {},
}  # fmt: skip


def spec_of(kind: str, entries: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """As a row has them; `training` takes single entries too."""
    told = {**(entries or {}), **more}
    base = _SPECS[told.get("mode", "open_loop") if kind == "evaluate" else kind]
    if isinstance(told.get("training"), Mapping):
        told["training"] = {**base["training"], **told["training"]}
    return {**base, **told}


def result_of(kind: str, entries: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    told = {**(entries or {}), **more}
    if kind == "evaluate":
        kind = told.get(
            "mode", "closed_loop" if "results" in told or "simulator_description" in told else "open_loop"
        )
    return {**_RESULTS[kind], **told}


def record(
    kind: str,
    spec: Mapping[str, Any] | None = None,
    result: Mapping[str, Any] | None = None,
    label: str = "a job",
    **more: Any,
) -> JobRecord:
    """A job as a report sees it."""
    made = kind_named(kind)
    return JobRecord(
        **{"id": 1, "state": "succeeded" if result is not None else "ready", "step": 0, **more},
        kind=kind,
        label=label,
        spec=made.spec_of(spec_of(kind, spec)),
        result=None if result is None else made.result_of(result_of(kind, result)),
    )
