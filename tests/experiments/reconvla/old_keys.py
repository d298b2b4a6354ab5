"""Keys as 753aa3a made them, of a plan of today: what later keys hold besides is taken out of the jobs' parameters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from db.plans import Plan

#: Parameters that are in no key, neither then nor now.
ASIDE = frozenset(
    {"slice_seconds", "checkpoint_seconds", "root", "simulators", "parallel", "assets", "python", "drawn_by"}
    # Not there in 753aa3a.
    | {"about", "drawn_basis", "frames_basis", "frames_scenes", "untrained_tasks", "format"}
)

#: By field of `tasks.changes.KEYS`: the test, in whichever file, of the wrong result that the old key gave.
TESTS: Mapping[str, str] = {
    "frames": "test_held_out_losses_of_one_report_are_of_the_same_frames",
    "jpeg": "test_without_the_losses_of_jpeg_the_error_is_that_of_other_pictures",
    "training.early_stopping.same_frames": "test_frames_of_its_own_give_early_stopping_another_loss",
    "training.early_stopping.by_demonstration": "test_errors_that_are_added_hardly_ever_end_a_run",
    "training.over": "test_a_job_that_was_planned_for_copies_of_the_model_is_refused",
    "training.operations": "test_a_job_that_was_planned_before_is_trained_by_the_library",
    "training.early_stopping.lasting_noise": "test_noise_that_is_taken_for_independent_ends_runs_that_gain",
    "assets_digest": "test_a_clone_counts_by_its_content_and_not_by_its_place",
    "calvin_env": "test_the_official_simulator_counts_by_what_its_interpreter_imports",
    "frames_renderer": "test_an_edited_file_does_not_tell_what_drew_the_frames",
    "renderer": "test_an_edited_file_does_not_tell_what_drew_the_frames",
    "model.config": "test_a_job_of_the_time_when_configurations_were_not_read",
    "not_held_out": "test_a_report_is_told_of_a_validation_that_is_trained_on",
    "contents": "test_a_list_drawn_for_fewer_sequences_holds_others",
}


def _without(*path: str) -> Callable[[dict[str, Any]], None]:
    def take_out(spec: dict[str, Any]) -> None:
        for name in path[:-1]:
            spec = spec.get(name) or {}
        spec.pop(path[-1], None)

    return take_out


def _drawn_for_itself(spec: dict[str, Any]) -> None:
    """The list of an evaluation without a protocol was drawn for its number of sequences, which the plan adds."""
    for name in ("contents", "order"):
        spec.pop(name, None)


#: How a job's parameters were before each change, but for what depends on the case.
UNDO: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "frames": _without("frames"),
    "jpeg": _without("jpeg"),
    "training.early_stopping.same_frames": _without("training", "early_stopping", "same_frames"),
    "training.early_stopping.by_demonstration": _without("training", "early_stopping", "by_demonstration"),
    "training.over": _without("training", "over"),
    "training.operations": _without("training", "operations"),
    "training.early_stopping.lasting_noise": _without("training", "early_stopping", "lasting_noise"),
    "assets_digest": _without("assets_digest"),
    "calvin_env": _without("calvin_env"),
    "not_held_out": _without("not_held_out"),
    "contents": _drawn_for_itself,
}


def old_keys(
    plan: Plan, versions: Mapping[str, int], change: Callable[[str, str, dict[str, Any]], None]
) -> tuple[str, list[tuple[str, str]]]:
    """The plan's key, and (label, key) of each job, in the plan's order.

    versions: of the bodies in that build. change: given kind, label and parameters of a job, puts back what `UNDO` does
    not.
    """
    keys: dict[str, str] = {}
    plan_key = ""
    found = []
    for job in plan.jobs:
        spec = json.loads(json.dumps(job.spec))
        for undo in UNDO.values():
            undo(spec)
        if spec.get("mode") == "closed_loop" and plan.config["evaluation"]["protocol"] is None:
            spec["drawn"] = plan.config["evaluation"]["sequences"]
        change(job.kind, job.label, spec)
        if job.kind == "report":
            results = [keys[need.key] for need in job.needs]
            spec["ablation"] = plan_key = _digest({"config": plan.config, "results": results})
        needs = sorted([keys[need.key], need.role] for need in job.needs)
        made = {"kind": job.kind, "version": versions[job.kind], "spec": _decisive(spec), "needs": needs}
        keys[job.key] = _digest(made)
        found.append((job.label, keys[job.key]))
    return plan_key, found


def _decisive(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _decisive(item) for name, item in value.items() if name not in ASIDE}
    return [_decisive(item) for item in value] if isinstance(value, list) else value


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
