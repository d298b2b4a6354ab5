"""Evaluation of one run: chains in the simulator (in shards), or action error on recorded frames."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from calvin.instructions import evaluation_instruction
from calvin.sequences import get_sequences
from models.generation import generate_actions
from models.reconvla import ReconVLA
from simulators.base import Simulator
from simulators.registry import create
from tasks.context import Draft, Finished, Point, Result, TaskContext, Yielded, one_input
from tasks.index import Index, load_index
from tasks.modelling import Recipe, load_model, recipe_of
from tasks.policies import Policy, RandomPolicy, ReconVLAPolicy
from tasks.rollout import ChainResult, run_chains
from tasks.train import WEIGHTS

RESULTS = "results"

#: Recorded frames that the open-loop error is measured on, evenly spaced over the split.
OPEN_LOOP_FRAMES = 200
_OPEN_LOOP_BATCH = 8


def run(context: TaskContext) -> Result:
    torch.set_num_threads(context.spec["threads"])
    mode = context.spec["mode"]
    return _closed_loop(context) if mode == "closed_loop" else _open_loop(context)


def _closed_loop(context: TaskContext) -> Result:
    """Publishes an `evaluation` artifact with one entry per sequence; finished groups survive an interruption.

    Sequences are driven in groups of a fixed size that always start together, so what a sequence gets to see
    does not depend on when the work was interrupted.
    """
    spec = context.spec
    started = time.perf_counter()
    results = _earlier_results(context)
    policy = _policy(context)
    chains = get_sequences(spec["sequences"], tasks=spec["tasks"] or None)
    numbers = list(range(spec["first"], spec["last"]))
    simulators = _simulators(context, min(spec["simulators"], len(numbers)))
    context.spend("load", time.perf_counter() - started)
    while len(results) < len(numbers):
        began = time.perf_counter()
        group = [(number, chains[number]) for number in numbers[len(results) :][: len(simulators)]]
        outcome = run_chains(
            group,
            simulators,
            spec["scene"],
            policy,
            evaluation_instruction,
            spec["max_steps"],
            context.should_stop,
        )
        if outcome is None:
            context.spend("replayed", time.perf_counter() - began)
            return Yielded(context.should_stop() or "stopped")
        context.spend("useful", time.perf_counter() - began)
        results += [_entry(result, chains[result.sequence].tasks) for result in outcome]
        if len(results) < len(numbers):
            context.publish(len(results), [_draft(context, results, final=False)])
        context.report_progress(len(results), len(numbers))
    return Finished(
        [_draft(context, results, final=True)],
        result={
            "mode": "closed_loop",
            "results": results,
            "scene": spec["scene"],
            "simulator": spec["simulator"],
        },
    )


def _entry(result: ChainResult, tasks: Sequence[str]) -> dict[str, Any]:
    return {"sequence": result.sequence, "done": result.done, "steps": result.steps, "tasks": list(tasks)}


def _draft(context: TaskContext, results: list[dict[str, Any]], final: bool) -> Draft:
    file = context.scratch / "results.json"
    file.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return Draft("evaluation", RESULTS, file, final=final)


def _earlier_results(context: TaskContext) -> list[dict[str, Any]]:
    if not context.resume:
        return []
    earlier: list[dict[str, Any]] = json.loads(
        one_input(context.resume, "resume", RESULTS).path.read_text(encoding="utf-8")
    )
    return earlier


def _simulators(context: TaskContext, count: int) -> list[Simulator]:
    """Simulators stay in the worker's memory: making one costs as much as many episodes of physics."""
    key = f"simulators {context.spec['simulator']} {context.spec['scene']}"
    kept: list[Simulator] = context.memory.setdefault(key, [])
    while len(kept) < count:
        kept.append(create(context.spec["simulator"], context.spec["scene"]))
    return kept[:count]


def _policy(context: TaskContext) -> Policy:
    if context.spec["policy"] == "random":
        return RandomPolicy(context.spec["seed"])
    recipe = recipe_of(context.spec)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    weights = one_input(context.inputs, "checkpoint", WEIGHTS)
    return ReconVLAPolicy(load_model(recipe.config, weights.path).to(device), recipe)


def _open_loop(context: TaskContext) -> Result:
    """Mean absolute error of predicted actions (units of -1..1) and gripper accuracy on recorded frames."""
    started = time.perf_counter()
    index = load_index(context.inputs)
    recipe = recipe_of(context.spec)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    weights = one_input(context.inputs, "checkpoint", WEIGHTS)
    model = load_model(recipe.config, weights.path).to(device).eval()
    context.spend("load", time.perf_counter() - started)
    began = time.perf_counter()
    rows = evenly_spaced(len(index), OPEN_LOOP_FRAMES)
    error, gripper, outside = open_loop_error(model, recipe, index, rows)
    context.spend("useful", time.perf_counter() - began)
    figures = {"mode": "open_loop", "frames": len(rows), "mean_absolute_error": error,
               "gripper_accuracy": gripper, "outside_tokens": outside}  # fmt: skip
    file = context.scratch / "open_loop.json"
    file.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return Finished(
        [Draft("evaluation", "open_loop", file)],
        [Point("open_loop/mean_absolute_error", 0, error), Point("open_loop/gripper_accuracy", 0, gripper)],
        result=figures,
    )


def open_loop_error(
    model: ReconVLA, recipe: Recipe, index: Index, rows: Sequence[int]
) -> tuple[float, float, int]:
    """(mean absolute error of the six motion numbers, share of right gripper commands, stray tokens)."""
    errors, grips, outside = [], [], 0
    for start in range(0, len(rows), _OPEN_LOOP_BATCH):
        part = rows[start : start + _OPEN_LOOP_BATCH]
        items = [index.items[row] for row in part]
        chunks = generate_actions(
            model,
            [index.images[row] for row in part],
            [recipe.prompts.prompt(item["instruction"], item["robot_obs"]) for item in items],
        )
        truth = np.array([item["actions"] for item in items])
        errors.append(np.abs(chunks.actions[..., :6] - truth[..., :6]).mean(axis=(1, 2)))
        grips.append(((chunks.actions[..., 6] > 0) == (truth[..., 6] > 0)).mean(axis=1))
        outside += int(chunks.outside.sum())
    return float(np.concatenate(errors).mean()), float(np.concatenate(grips).mean()), outside


def evenly_spaced(count: int, most: int) -> list[int]:
    """At most `most` of `count` rows, spread evenly."""
    return [int(row) for row in np.linspace(0, count - 1, min(count, most)).round()]
