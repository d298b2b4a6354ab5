"""Evaluation of one run: chains in the simulator (in shards), or action error on recorded frames."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import torch

from errors import InvalidInput, PolicyServerError, SimulatorError
from hub.copies import located
from policies.base import ANSWERED, BEYOND_LIMITS, OUTSIDE, Policy, told_counts
from policies.checkpoint_folder import identity_of
from policies.registry import PolicySpec, RandomActions, open_policy, policy_from_json
from policies.weights_spec import ReconVLAWeights
from settings.typed_json import from_json
from tasks.context import STEPS_PLAYED, Draft, Finished, Note, TaskContext, Yielded, one_input
from tasks.evaluate.chains import FILM
from tasks.evaluate.closed_loop import Entry
from tasks.evaluate.kept_simulators import simulators_of
from tasks.evaluate.loop import Evaluation
from tasks.evaluate.open_loop import run_open_loop
from tasks.evaluate.rollout import ChainResult
from tasks.evaluate.summary import summary
from tasks.results import ClosedLoopResult, OpenLoopResult
from tasks.specs import ClosedLoopSpec, OpenLoopSpec
from tasks.train.state import WEIGHTS

RESULTS = "results"

#: Results are made durable this often, and on every stop request.
_PUBLISH_SECONDS = 10.0


def run(
    context: TaskContext[OpenLoopSpec] | TaskContext[ClosedLoopSpec],
) -> Finished[OpenLoopResult] | Finished[ClosedLoopResult] | Yielded:
    torch.set_num_threads(context.spec.threads)
    if isinstance(context.spec, ClosedLoopSpec):
        return _ClosedLoop(context).run()
    return run_open_loop(context)


class _Finished(TypedDict):
    """What a checkpoint holds of the sequences that have ended, and what a policy counted on the way."""

    results: list[Entry]
    counts: dict[str, int]


class _ClosedLoop:
    """One shard: publishes an `evaluation` artifact with one entry per sequence, and videos of failures.

    Finished sequences survive an interruption. What a sequence gives depends on nothing but itself, so the
    final artifact's bytes do not tell shards, order or interruptions.
    """

    def __init__(self, context: TaskContext[ClosedLoopSpec]) -> None:
        self._context = context
        self._spec = context.spec
        self._earlier = _earlier(context)
        self._counts: Counter[str] = Counter(self._earlier["counts"])
        if OUTSIDE in self._counts and ANSWERED not in self._counts:
            # A checkpoint of an earlier version: how many tokens these were among is not known.
            self._counts[f"{OUTSIDE}_of_unknown_total"] = self._counts.pop(OUTSIDE)
        self._videos: list[Draft] = []
        self._lost_steps = 0

    def run(self) -> Finished[ClosedLoopResult] | Yielded:
        context, spec = self._context, self._spec
        started = time.perf_counter()
        policy = open_policy(policy_spec(context))
        numbers = range(spec.first, spec.last)
        evaluation = Evaluation(
            spec,
            policy,
            numbers,
            self._earlier["results"],
            film_for=self._film_for if spec.videos > 0 else None,
            show_attention=spec.video_attention,
        )
        if spec.contents is not None and spec.contents != evaluation.contents(numbers):
            raise InvalidInput(
                f"this build of Baton draws other sequences than {spec.first} to {spec.last - 1} were when the job was "
                "planned; submit the ablation again"
            )
        entries = evaluation.entries
        simulators = simulators_of(spec, min(spec.simulators, len(evaluation.todo)), context.memory)
        began = published_at = time.perf_counter()
        context.spend("load", began - started)
        kept_steps = 0
        so_far = _so_far(entries) if entries else {}
        try:

            def stepped(steps: int) -> None:
                context.report_progress(len(entries), len(numbers), {**so_far, STEPS_PLAYED: steps})

            for result in evaluation.run(
                simulators, self._keep, context.should_stop, self._abandoned, stepped
            ):
                kept_steps += result.steps
                so_far = _so_far(entries)
                context.report_progress(len(entries), len(numbers), so_far)
                due = time.perf_counter() - published_at >= _PUBLISH_SECONDS
                if due and len(entries) < len(numbers):
                    self._publish(evaluation, policy)
                    published_at = time.perf_counter()
        except (PolicyServerError, SimulatorError):
            if context.step < len(entries) < len(numbers):
                self._publish(evaluation, policy)  # the next try begins with the sequence that failed
            raise
        elapsed = time.perf_counter() - began
        useful = elapsed * kept_steps / max(1, kept_steps + self._lost_steps)
        context.spend("useful", useful)
        context.spend("replayed", elapsed - useful)
        if len(entries) < len(numbers):
            if len(entries) > context.step:
                self._publish(evaluation, policy)
            return Yielded(context.should_stop() or "stopped")
        self._counts.update(policy.counts)
        counts = told_counts(self._counts)
        results = evaluation.by_sequence()
        return Finished(
            [self._draft(results, final=True), *self._videos],
            result=from_json(
                ClosedLoopResult,
                {
                    "mode": "closed_loop",
                    "results": results,
                    "scene": spec.scene,
                    "simulator": spec.simulator,
                    "simulator_description": simulators[0].description() if simulators else None,
                    "policy_batch": spec.policy_batch,
                    "counts": counts,
                    **summary(entries),
                },
                "what the sequences gave",
            ),
            notes=list(_notes(counts)),
        )  # fmt: skip

    def _keep(self, entry: Entry, result: ChainResult) -> None:
        if result.replays:
            self._counts["replays"] += result.replays

    def _film_for(self, sequence: int) -> Path | None:
        if self._counts["videos"] >= self._spec.videos:
            return None
        self._counts["videos"] += 1
        file = self._context.scratch / f"{FILM}{sequence}.mp4"
        self._videos.append(Draft("evaluation", f"{FILM}{sequence}", file))
        return file

    def _abandoned(self, steps: int) -> None:
        self._lost_steps += steps

    def _publish(self, evaluation: Evaluation, policy: Policy) -> None:
        self._counts.update(policy.counts)
        policy.counts.clear()
        content: _Finished = {"results": evaluation.by_sequence(), "counts": self._counts}
        drafts = [self._draft(content, final=False), *self._videos]
        self._context.publish(len(evaluation.entries), drafts)
        self._videos = []

    def _draft(self, content: _Finished | list[Entry], final: bool) -> Draft:
        file = self._context.scratch / "results.json"
        file.write_text(json.dumps(content, indent=1), encoding="utf-8")
        return Draft("evaluation", RESULTS, file, final=final)


#: What happened on the way and changes what was measured: count -> (kind of event, what to say of so many).
_TOLD = {
    "replays": ("evaluation_replay", "sequences were begun again: their simulator was lost"),
    BEYOND_LIMITS: (
        "actions_beyond_limits",
        "actions asked for more than CALVIN's largest step, and were carried out",
    ),
    "cut_answers": (
        "answers_cut",
        "answers of the policy server had more actions than chunk_steps; the rest was left",
    ),
    "short_answers": (
        "answers_short",
        "answers of the policy server had too few actions for chunk_steps; the rest stood still",
    ),
}


def _notes(counts: Mapping[str, object]) -> Iterator[Note]:
    for name, (kind, told) in _TOLD.items():
        if counts.get(name):
            yield Note(kind, f"{counts[name]} {told}", counts)


def _so_far(entries: Sequence[Entry]) -> dict[str, float]:
    """The running estimate over this shard's finished sequences."""
    so_far = summary(entries)
    return {"success_1": so_far["success"][0], "avg_len": so_far["avg_len"]}


def _earlier(context: TaskContext[ClosedLoopSpec]) -> _Finished:
    if not context.resume:
        return {"results": [], "counts": {}}
    earlier: _Finished = json.loads(
        one_input(context.resume, "resume", RESULTS).path.read_text(encoding="utf-8")
    )
    return earlier


def policy_spec(context: TaskContext[ClosedLoopSpec]) -> PolicySpec:
    """What the job is told of its policy: `reconvla`, the trained model that it depends on; `random`, `expert`; or any
    that `policies.registry` knows, in its JSON. Raises ConfigError for others."""
    spec, policy = context.spec, context.spec.policy
    if policy == "reconvla":
        if spec.model is None:
            raise InvalidInput("model: a trained model is to be evaluated, and none is named")
        weights = str(one_input(context.inputs, "checkpoint", WEIGHTS).path)
        return ReconVLAWeights(spec.model, weights, spec.precision, spec.policy_batch, spec.gaze)
    if policy == "random":
        return RandomActions(spec.seed or 0)
    if isinstance(policy, str):
        return policy_from_json({"kind": policy})
    if spec.policy_folder is None:
        return policy_from_json(policy)
    folder = located(spec.policy_folder, "model")
    found = identity_of(folder)
    if found != spec.policy_identity:
        raise InvalidInput(
            f"{spec.policy_folder} holds another policy than when it was planned; submit it again"
        )
    return policy_from_json({**policy, "folder": str(folder)})
