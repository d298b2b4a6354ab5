"""One table of policies: what describes them, as JSON too, and what opens them."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.spec import any_version
from errors import ConfigError
from models.spec import ModelSpec
from policies import registry
from policies.base import Query
from policies.random_actions import RandomPolicy
from policies.registry import (
    _KINDS,
    OpenVLAFolder,
    OwnClass,
    PolicyServer,
    PolicySpec,
    RandomActions,
    ReconVLAFolder,
    ScriptedExpert,
    identity,
    in_its_place,
    kind_of,
    open_policy,
    policy_from_json,
    policy_json,
)
from policies.weights_spec import ReconVLAWeights
from settings.typed_json import Items, Real

SPECS: dict[str, PolicySpec] = {
    "random": RandomActions(7),
    "expert": ScriptedExpert(),
    "http": PolicyServer("http://127.0.0.1:9097", chunk_steps=8, timeout_seconds=2.5, actions="absolute"),
    "own": OwnClass("my_policy:Mine", {"gain": 0.5}),
    "openvla": OpenVLAFolder("/there", "bridge_orig", "bf16", center_crop=True),
    "folder": ReconVLAFolder("/there", "4bit", batch=2, detector="oracle", official_compat=True),
    "reconvla": ReconVLAWeights(
        ModelSpec(config={}, reconstructs="none", backbones={}, instructions=("open",)),
        "/there/weights.safetensors",
        gaze=any_version("colour"),
    ),
}


def test_every_kind_is_tried_here() -> None:
    assert tuple(SPECS) == tuple(_KINDS)


@pytest.mark.parametrize("kind", tuple(_KINDS))
def test_what_opens_a_kind_takes_its_fields(kind: str) -> None:
    module, _, name = _KINDS[kind].opened_by.partition(":")
    taken = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    for field in fields(_KINDS[kind].spec):
        default = taken[field.name].default
        assert default is inspect.Parameter.empty or default == field.default


@pytest.mark.parametrize("kind", tuple(_KINDS))
def test_specs_come_from_json(kind: str) -> None:
    spec = SPECS[kind]
    assert kind_of(spec) == kind
    told = json.loads(json.dumps(policy_json(spec)))
    assert policy_from_json(told) == spec
    assert policy_from_json({name: value for name, value in told.items() if value is not None}) == spec


def test_what_has_a_default_may_be_missing() -> None:
    assert policy_from_json({"kind": "random"}) == RandomActions(0)
    url = "http://gpu:9097"
    assert policy_from_json({"kind": "http", "url": url, "timeout_seconds": 3}) == PolicyServer(
        url, timeout_seconds=3.0
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("http", "arms.a.policy: must be a mapping with a kind (random, expert, http, "),
        ({"url": "http://gpu"}, "arms.a.policy.kind: is missing; known kinds: random, "),
        ({"kind": "htp"}, "arms.a.policy.kind: 'htp' is unknown; known kinds: random, expert, http, "),
        ({"kind": ["http"]}, "arms.a.policy.kind: ['http'] is unknown; "),
        ({"kind": "http"}, "arms.a.policy.url: is missing; a policy of kind http needs it"),
        ({"kind": "http", "address": "x"}, "arms.a.policy.address: unknown; a policy of kind http takes: url, "),
        ({"kind": "expert", "seed": 1}, "arms.a.policy.seed: unknown; a policy of kind expert takes: nothing"),
        ({"kind": "http", "url": 9097}, "arms.a.policy.url: must be a text, got 9097"),
        ({"kind": "http", "url": "http://gpu", "chunk_steps": 65}, "arms.a.policy.chunk_steps: must be 1 to 64"),
        ({"kind": "http", "url": "http://gpu", "actions": "joint"}, "arms.a.policy.actions: must be relative or"),
        ({"kind": "http", "url": "http://gpu", "timeout_seconds": 0}, "arms.a.policy.timeout_seconds: must be above 0"),
        ({"kind": "random", "seed": True}, "arms.a.policy.seed: must be a whole number, got True"),
        ({"kind": "random", "seed": -1}, "arms.a.policy.seed: must be 0 or more, got -1"),
        ({"kind": "own"}, "arms.a.policy.class: is missing; a policy of kind own needs it"),
        ({"kind": "own", "class": "mine"}, "arms.a.policy.class: must be a class of yours as module:Class"),
        ({"kind": "own", "class": "mine:Mine", "options": 3}, "arms.a.policy.options: must be a mapping"),
        ({"kind": "openvla"}, "arms.a.policy.folder: is missing; "),
        ({"kind": "openvla", "folder": "x", "center_crop": "yes"}, "arms.a.policy.center_crop: must be true or false"),
        ({"kind": "folder", "folder": "x", "batch": 0}, "arms.a.policy.batch: must be positive, got 0"),
        ({"kind": "folder", "folder": "x", "precision": "fp8"}, "arms.a.policy.precision: must be one of auto, "),
        ({"kind": "reconvla", "model": "toy", "weights": "x"}, "arms.a.policy.model: must be a mapping, got 'toy'"),
    ],
)  # fmt: skip
def test_what_is_unknown_missing_or_wrong_is_named(given: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        policy_from_json(given, "arms.a.policy")
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ({"kind": "randm"}, "openvla, folder, reconvla; did you mean random?"),
        ({"kind": "xyz"}, "openvla, folder, reconvla"),
        ({"kind": "http", "ulr": "http://gpu"}, "; did you mean url?"),
    ],
)
def test_what_is_mistyped_is_told_with_what_is_near(given: Any, end: str) -> None:
    with pytest.raises(ConfigError) as caught:
        policy_from_json(given)
    assert str(caught.value).endswith(end)


def test_a_model_is_known_by_what_lies_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert identity(RandomActions(3)) is None and in_its_place(RandomActions(3)) == RandomActions(3)
    folder, weights = tmp_path / "folder", tmp_path / "one.safetensors"
    folder.mkdir()
    for file in (folder / "config.json", weights):
        file.write_text("{}")
    weights_of_job = dataclasses.replace(SPECS["reconvla"], weights="~/one.safetensors")  # type: ignore[arg-type]
    for spec, place in ((ReconVLAFolder("~/folder"), folder), (weights_of_job, weights)):
        found = in_its_place(spec)
        assert str(place) in vars(found).values()
        before = identity(found)
        assert before is not None and before == identity(found)
        (folder / "config.json" if place == folder else place).write_text("{ }")
        assert identity(found) != before


def test_a_policy_is_opened_by_what_describes_it(tmp_path: Path) -> None:
    query = Query({}, "open the drawer", sequence=3, number=0)
    opened = open_policy(policy_from_json({"kind": "random", "seed": 7}))
    (chunk,), (same,) = opened.act([query]), RandomPolicy(7).act([query])
    np.testing.assert_array_equal(chunk, same)


@dataclass(frozen=True)
class _Listed:
    action: Items[Real]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([1.0, "x"], r"policy\.action: 1: a number stands here \(got 'x'\)"),
        (5, r"policy\.action: a list stands here \(got 5\)"),
    ],
)
def test_a_kind_may_take_a_list(given: object, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._KINDS, "listed", registry._Kind(_Listed, "nowhere:nothing"))
    told = {"kind": "listed", "action": [0.5, -1]}
    assert registry.policy_from_json(told) == _Listed((0.5, -1.0))
    with pytest.raises(ConfigError, match=sentence):
        registry.policy_from_json({**told, "action": given})


def test_what_earlier_versions_did_not_say_is_told_where_it_is_no_default() -> None:
    told = policy_json(PolicyServer("http://gpu"))
    assert told == {"kind": "http", "url": "http://gpu", "chunk_steps": 5, "timeout_seconds": 120.0}
    assert policy_json(PolicyServer("http://gpu", actions="absolute"))["actions"] == "absolute"
