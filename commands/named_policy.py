"""What `evaluate` can be pointed at by a name: a checkpoint, an OpenVLA, a policy server, the expert, chance; and any
policy of `policies.registry` by what describes it, as in a row of an ablation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from commands.fetching import fetched
from commands.named_checkpoint import Checkpoint, find_named, holds_openvla, refuse_crop
from errors import ConfigError, InvalidInput
from hub.names import is_hub_name
from policies.base import Policy
from policies.registry import (
    AUTO,
    RELATIVE,
    OpenVLAFolder,
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
from settings.documents import parse_yaml
from settings.home import Home
from settings.regular import MOST_YAML_BYTES, text_of

_OPTION = "--policy"


@dataclass(frozen=True)
class NamedPolicy:
    """name: what results call it. about: what decides its answers beside the queries, and is not in its name. drawn_by:
    the renderer of the frames that it was trained on, None where nothing tells; drawn_basis: what that rests on. told:
    what else results should say; not compared with those of earlier calls.
    """

    name: str
    policy: Policy
    about: Mapping[str, Any] = field(default_factory=dict)
    drawn_by: str | None = None
    drawn_basis: str | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


def policy_named(
    home: Home, name: str, options: Mapping[str, Any], found: Checkpoint | None = None
) -> NamedPolicy:
    """options: those of `evaluate`. found: what `name` is, where that was looked up already.

    Raises InvalidInput, CheckpointError or WeightsMissing for what is no policy.
    """
    if found is None and holds_openvla(name):
        return _openvla(name, options)
    refuse_crop(options["center_crop"], name)
    if name == "random":
        return NamedPolicy(name, open_policy(RandomActions(options["seed"])), {"seed": options["seed"]})
    if name == "expert":
        return NamedPolicy(name, open_policy(ScriptedExpert()))
    if name.startswith(("http://", "https://")):
        answers = options["server_actions"]
        server = PolicyServer(name, options["chunk_steps"], options["server_timeout"], answers)
        about: dict[str, Any] = {"chunk_steps": server.chunk_steps}
        if answers != RELATIVE:  # which results of earlier versions, where there was no choice, do not name
            about["server_actions"] = answers
        return NamedPolicy(name, open_policy(server), about)
    if re.fullmatch(r"[^/]+:\d+(/.*)?", name) and not Path(name).exists():
        raise InvalidInput(f"there is no folder {name}; the address of a server begins with http://")
    return _reconvla(name, find_named(home, name) if found is None else found, options)


def policy_described(described: str, threads: int) -> NamedPolicy:
    """described: a mapping in YAML or JSON, or the name of a file that holds one. A class of the user's own is named in
    a mapping alone and lies in the working folder: files may come from anywhere.

    Raises ConfigError naming the option or file and the field; WeightsMissing, EnvironmentLacks for what is not here.
    """
    place, values = _mapping_of(described)
    if place == _OPTION and isinstance(values, Mapping):
        from experiments.reconvla.own_classes import policy_named as with_digest  # which few evaluations need

        values = with_digest(values, Path.cwd(), "policy")
    try:
        spec = in_its_place(_here(policy_from_json(values)))
        policy, weights = open_policy(spec), identity(spec)
    except InvalidInput as error:
        raise ConfigError(f"{place}: {error}") from None
    about: dict[str, Any] = {"policy_spec": policy_json(spec), "threads": threads}
    return NamedPolicy(kind_of(spec), policy, about if weights is None else {**about, "weights": weights})


def _here(spec: PolicySpec) -> PolicySpec:
    """With the folder here of a model that is named on the Hub, which is fetched. Raises as `fetched`."""
    if isinstance(spec, OpenVLAFolder | ReconVLAFolder) and is_hub_name(spec.folder):
        return replace(spec, folder=str(fetched(spec.folder, "model")))
    return spec


def _mapping_of(described: str) -> tuple[str, Any]:
    """What messages call it, and what it holds."""
    if described.lstrip().startswith("{"):
        return _OPTION, parse_yaml(described, _OPTION, is_ours=True, lines=False)
    file = Path(described)
    if not file.exists():
        raise ConfigError(
            f"--policy {described} is no file; a mapping begins with a brace: '{{kind: random}}'"
        )
    return described, parse_yaml(text_of(file, ConfigError, MOST_YAML_BYTES), described, is_ours=True)


def _openvla(folder: str, options: Mapping[str, Any]) -> NamedPolicy:
    from models.folder_identity import folder_identity
    from policies.openvla import OpenVLAPolicy

    precision = options["precision"]
    openvla = open_policy(OpenVLAFolder(folder, options["statistics"], precision, options["center_crop"]))
    assert isinstance(openvla, OpenVLAPolicy)
    about = {"weights": folder_identity(Path(folder)), "statistics": options["statistics"],
             "threads": options["threads"]}  # fmt: skip
    if precision != AUTO:  # which results of earlier versions, where there was no choice, do not name
        about["precision"] = precision
    if openvla.center_crop:  # nor was there a crop
        about["center_crop"] = True
    return NamedPolicy(folder, openvla, about, told={"statistics_used": openvla.statistics})


def _reconvla(name: str, found: Checkpoint, options: Mapping[str, Any]) -> NamedPolicy:
    from policies.reconvla import ReconVLAPolicy

    spec = found.policy(
        options["precision"], options["batch"], options["detector"], options["official_compat"]
    )
    policy = open_policy(spec)
    assert isinstance(policy, ReconVLAPolicy)
    about = {"weights": found.identity(), "batch": spec.batch, "precision": spec.precision,
             "threads": options["threads"]}  # fmt: skip
    if policy.config.grounding == "crop":
        about["detector"] = options["detector"]
    return NamedPolicy(name, policy, about, found.drawn_by, found.drawn_basis)
