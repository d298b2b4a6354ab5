"""`evaluate --policy`: any policy of `policies.registry` by what describes it, as in a row of an ablation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from commands.fetching import fetched
from commands.named_policy import NamedPolicy
from errors import ConfigError, InvalidInput
from hub.names import is_hub_name
from policies.registry import (
    OpenVLAFolder,
    PolicySpec,
    ReconVLAFolder,
    identity,
    in_its_place,
    kind_of,
    open_policy,
    policy_from_json,
    policy_json,
)
from settings.documents import parse_yaml
from settings.near_files import near_place
from settings.regular import MOST_YAML_BYTES, text_of

_OPTION = "--policy"


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
            f"--policy {described} is no file; a mapping begins with a brace: '{{kind: random}}'{near_place(file)}"
        )
    return described, parse_yaml(text_of(file, ConfigError, MOST_YAML_BYTES), described, is_ours=True)
