"""The evaluation job: real simulator, real model with random weights, shards cut in every way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from errors import ConfigError, NotFinite, PolicyServerError
from models.checkpoint import weights_of
from models.recipe import recipe_of
from models.reconvla import ReconVLA
from models.weights import write_weights
from policies.base import Query
from policies.random_actions import RandomPolicy
from tasks.context import Finished, InputFile, Yielded
from tasks.evaluate.run import RESULTS, run
from tests.models.openvla_sample import make_openvla
from tests.policies.http_servers import serving
from tests.tasks.fake_context import FakeContext, input_file
from tests.training import model_spec, training_spec

TASKS = ["move_slider_left", "move_slider_right", "open_drawer", "close_drawer", "turn_on_led", "turn_off_led",
         "turn_on_lightbulb", "turn_off_lightbulb", "push_pink_block_left", "lift_pink_block_table"]  # fmt: skip
SEQUENCES = 6


def spec(**changes: Any) -> dict[str, Any]:
    return {
        "mode": "closed_loop", "policy": "reconvla", "model": training_spec(1)["model"], "policy_batch": 4,
        "simulator": "playtable", "scene": "D", "assets": None, "python": None, "tasks": TASKS,
        "drawn": SEQUENCES, "instructions": None, "max_steps": 10, "simulators": 3, "parallel": False,
        "threads": 1, "videos": 0,
        "first": 0, "last": SEQUENCES, **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def memory() -> dict[str, Any]:
    """Keeps the simulators of all tests."""
    return {}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> InputFile:
    """Weights that answer every picture differently."""
    model = ReconVLA(recipe_of(model_spec(spec())).config, seed=1)
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.3, generator=random)
    file = tmp_path_factory.mktemp("checkpoint") / "weights.safetensors"
    write_weights(weights_of(model), file)
    return input_file("checkpoint", "checkpoint", "weights", file)


def evaluate(folder: Path, given: dict[str, Any], checkpoint: InputFile, memory: dict[str, Any]) -> Finished:
    result = run(FakeContext(folder, given, [checkpoint], memory=memory))
    assert isinstance(result, Finished)
    return result


def artifact(result: Finished) -> bytes:
    (draft,) = [draft for draft in result.artifacts if draft.name == RESULTS]
    return draft.file.read_bytes()


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: InputFile, memory: dict[str, Any]
) -> dict[int, dict[str, Any]]:
    """The entries of one undivided evaluation by sequence."""
    result = evaluate(tmp_path_factory.mktemp("whole"), spec(), checkpoint, memory)
    entries = {entry["sequence"]: entry for entry in result.result.row()["results"]}
    assert len({entry["actions"] for entry in entries.values()}) > 2  # they do differ
    return entries


@pytest.mark.parametrize(("shards", "simulators"), [(2, 4), (6, 1), (1, 8)])
def test_results_depend_on_neither_shards_nor_batches(
    tmp_path: Path, checkpoint: InputFile, memory: dict[str, Any], whole: dict[int, Any],
    shards: int, simulators: int,
) -> None:  # fmt: skip
    size = SEQUENCES // shards
    found = []
    for first in range(0, SEQUENCES, size):
        given = spec(first=first, last=first + size, simulators=simulators)
        found += evaluate(tmp_path / str(first), given, checkpoint, memory).result.row()["results"]
    assert {entry["sequence"]: entry for entry in found} == whole


def test_steps_are_told_before_a_sequence_has_ended(
    tmp_path: Path, checkpoint: InputFile, memory: dict[str, Any]
) -> None:
    context = FakeContext(tmp_path, spec(last=1, max_steps=10), [checkpoint], memory=memory)
    assert isinstance(run(context), Finished)
    assert list(zip(context.progress, context.values))[:2] == [
        (0, {"environment_steps": 5}), (0, {"environment_steps": 10})
    ]  # fmt: skip
    assert context.progress[-1] == 1 and set(context.values[-1]) == {"success_1", "avg_len"}


def test_simulators_in_processes_of_their_own_change_nothing(
    tmp_path: Path, checkpoint: InputFile, whole: dict[int, Any]
) -> None:
    memory: dict[str, Any] = {}
    result = evaluate(tmp_path, spec(simulators=2, parallel=True), checkpoint, memory).result.row()
    assert {entry["sequence"]: entry for entry in result["results"]} == whole
    ((simulator, _),) = memory.values()
    assert simulator.in_own_process
    for simulator in next(iter(memory.values())):
        simulator.close()


def test_an_interrupted_shard_ends_with_the_same_bytes(
    tmp_path: Path, checkpoint: InputFile, memory: dict[str, Any]
) -> None:
    undisturbed = artifact(evaluate(tmp_path / "once", spec(simulators=2), checkpoint, memory))
    earlier, attempts = None, 0
    while True:
        attempts += 1
        context = FakeContext(
            tmp_path / "often", spec(simulators=2), [checkpoint], memory=memory, earlier=earlier, checks=3
        )
        result = run(context)
        if isinstance(result, Finished):
            break
        assert isinstance(result, Yielded)
        earlier = context
    assert attempts == 3
    assert artifact(result) == undisturbed
    assert context.seconds["useful"] > 0


def test_a_policy_that_gives_up_keeps_what_was_done(
    tmp_path: Path, memory: dict[str, Any], checkpoint: InputFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    act = RandomPolicy.act

    def fail(policy: RandomPolicy, queries: Sequence[Query]) -> list[np.ndarray]:
        calls.append(1)
        if len(calls) == 8:
            raise PolicyServerError("it did not answer within 5 s")
        return act(policy, queries)

    monkeypatch.setattr(RandomPolicy, "act", fail)
    given = spec(policy="random", seed=3, simulators=1)
    broken = FakeContext(tmp_path, given, memory=memory)
    with pytest.raises(PolicyServerError):
        run(broken)
    assert broken.step == 3  # two queries a sequence; the fourth one's second failed
    result = run(FakeContext(tmp_path, given, memory=memory, earlier=broken))
    assert isinstance(result, Finished)
    assert len(calls) == 8 + 6
    monkeypatch.setattr(RandomPolicy, "act", act)
    assert artifact(result) == artifact(evaluate(tmp_path / "once", given, checkpoint, memory))


def test_the_result_tells_rates_tasks_and_what_happened(
    tmp_path: Path, memory: dict[str, Any], checkpoint: InputFile
) -> None:
    result = evaluate(tmp_path, spec(), checkpoint, memory).result.row()
    assert result["success"] == [0.0] * 5  # ten steps are too few for anything
    assert sum(task["attempted"] for task in result["tasks"].values()) == SEQUENCES
    assert result["policy_batch"] == 4
    counts = result["counts"]
    assert (
        0 <= counts["outside_tokens"] <= counts["answer_tokens"] == SEQUENCES * 2 * 35
    )  # two chunks in ten steps
    assert result["counts"]["one_by_one_shapes"] == 0
    json.dumps(result)


def test_films_of_failures_are_limited_and_readable(
    tmp_path: Path, checkpoint: InputFile, memory: dict[str, Any]
) -> None:
    import cv2

    context = FakeContext(tmp_path, spec(videos=2), [checkpoint], memory=memory)
    result = run(context)
    assert isinstance(result, Finished)
    made = [(draft.name, draft.file) for draft in result.artifacts]
    made += [(file.name, file.path) for file in context.published]  # on a slow machine, on the way
    films = {name: file for name, file in made if name.startswith("failure_")}
    assert len(films) == result.result.row()["counts"]["videos"] == 2
    reader = cv2.VideoCapture(str(next(iter(films.values()))))
    frames = 0
    while reader.read()[0]:
        frames += 1
    assert frames == 2  # ten steps in chunks of five
    assert (reader.get(cv2.CAP_PROP_FRAME_WIDTH), reader.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (672, 384)


def test_films_show_where_the_model_looked(
    tmp_path: Path, checkpoint: InputFile, memory: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(
        "tasks.evaluate.videos.write_failure", lambda failure, file, looks: shown.append(looks)
    )
    given = spec(videos=1, video_attention=True, last=1, max_steps=5)
    plain = evaluate(tmp_path / "plain", {**given, "video_attention": False}, checkpoint, memory)
    looking = evaluate(tmp_path / "looking", given, checkpoint, memory)
    assert plain.result == looking.result  # asking twice changes no count
    assert shown[0] == ()
    ((static, gripper),) = shown[1]
    assert static.shape == gripper.shape == (336, 336)
    assert max(static.max(), gripper.max()) == pytest.approx(1.0, abs=0.2)
    assert min(static.min(), gripper.min()) >= 0.0


def test_tokens_of_an_earlier_version_whose_total_is_not_known_stay_apart(
    tmp_path: Path, checkpoint: InputFile, memory: dict[str, Any]
) -> None:
    first = FakeContext(tmp_path, spec(simulators=2), [checkpoint], memory=memory, checks=3)
    assert isinstance(run(first), Yielded)
    (kept,) = [file for file in first.published if file.name == RESULTS]
    content = json.loads(kept.path.read_text())
    done = len(content["results"])
    content["counts"] |= {"outside_tokens": 5}
    del content["counts"]["answer_tokens"]
    kept.path.write_text(json.dumps(content))
    result = run(FakeContext(tmp_path, spec(simulators=2), [checkpoint], memory=memory, earlier=first))
    assert isinstance(result, Finished)
    counts = result.result.row()["counts"]
    assert counts["outside_tokens_of_unknown_total"] == 5
    assert counts["answer_tokens"] == (SEQUENCES - done) * 2 * 35


def test_weights_that_are_no_numbers_end_the_job(tmp_path: Path, memory: dict[str, Any]) -> None:
    model = ReconVLA(recipe_of(model_spec(spec())).config, seed=1)
    with torch.no_grad():
        model.language_model.model.norm.weight.fill_(float("nan"))
    write_weights(weights_of(model), tmp_path / "weights.safetensors")
    damaged = input_file("checkpoint", "checkpoint", "weights", tmp_path / "weights.safetensors")
    with pytest.raises(NotFinite, match=r"weights\.safetensors gives numbers that are not finite in fp32"):
        run(FakeContext(tmp_path / "job", spec(), [damaged], memory=memory))


def test_what_a_command_can_evaluate_a_job_can(
    tmp_path: Path, memory: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any kind of `policies.registry`, with nothing that was trained."""
    folder = tmp_path_factory.mktemp("openvla")
    make_openvla(folder, seed=4)
    few = {"first": 0, "last": 2, "max_steps": 5, "simulators": 2}

    def entries(policy: Any) -> list[dict[str, Any]]:
        given = spec(policy=policy, **few)
        del given["model"]
        result = run(FakeContext(tmp_path / str(len(list(tmp_path.iterdir()))), given, [], memory=memory))
        assert isinstance(result, Finished)
        return result.result.row()["results"]

    with serving(lambda queries: [np.zeros((5, 7)) for _ in queries]) as url:
        still = entries({"kind": "http", "url": url})
    assert len({entry["actions"] for entry in still}) == 1, "each sequence got the same answers"
    assert entries({"kind": "openvla", "folder": str(folder)}) != still
    assert entries({"kind": "expert"}) == entries("expert")
    assert entries({"kind": "random", "seed": 3}) != entries({"kind": "random", "seed": 4})
    with pytest.raises(
        ConfigError, match=r"^policy\.kind: 'chance' is unknown; known kinds: random, expert, "
    ):
        entries({"kind": "chance"})
