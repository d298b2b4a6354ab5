"""Rows of the table that are judged and not trained: a policy that somebody else made, an expert, chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from errors import ConfigError, InvalidInput
from experiments.reconvla.config import AblationConfig
from hub.copies import located
from hub.names import is_hub_name
from policies.own import OwnPolicy
from policies.registry import (
    OpenVLAFolder,
    OwnClass,
    PolicyServer,
    PolicySpec,
    RandomActions,
    ReconVLAFolder,
    ScriptedExpert,
    open_policy,
    policy_json,
)
from settings.places import expanded
from tasks.specs import ClosedLoopSpec, NamedPolicy


@dataclass(frozen=True)
class _Told:
    """What a shard is told of its policy; see `tasks.specs.ClosedLoopSpec`."""

    policy: NamedPolicy | dict[str, object]
    seed: int | None = None
    folder: str | None = None
    identity: str | None = None


def row_shards(config: AblationConfig, name: str, shards: Sequence[ClosedLoopSpec]) -> list[ClosedLoopSpec]:
    """The sequences of the ablation (`shards`, of whichever policy), asked of the row's.

    Raises ConfigError for what names no policy, CheckpointError or WeightsMissing for a folder that holds none.
    """
    place = f"arms.{name}.policy"
    spec = config.policies[name].spec(f"arms.{name}")
    try:
        told = _told(spec, place)
    except InvalidInput as error:
        raise ConfigError(f"{place}: {error}") from None
    return [
        replace(
            shard,
            policy=told.policy,
            seed=told.seed,
            videos=config.evaluation.videos,
            policy_folder=told.folder,
            policy_identity=told.identity,
        )
        for shard in shards
    ]


def _told(spec: PolicySpec, place: str) -> _Told:
    if isinstance(spec, RandomActions):
        return _Told("random", spec.seed)
    if isinstance(spec, ScriptedExpert):
        return _Told("expert")
    if isinstance(spec, OwnClass):
        OwnPolicy(**vars(spec)).check()
    if isinstance(spec, PolicyServer):
        open_policy(spec)  # which asks nobody, and looks at the address
    if not isinstance(spec, OpenVLAFolder | ReconVLAFolder):
        return _Told(policy_json(spec))
    from models.openvla_checkpoint import is_openvla, read_config
    from policies.checkpoint_folder import identity_of  # imports torch, which few plans need

    is_of_hub = is_hub_name(spec.folder)
    folder = (
        located(spec.folder, "model") if is_of_hub else expanded(spec.folder, f"{place}.folder").absolute()
    )
    identity = identity_of(folder)
    if is_openvla(folder) != isinstance(spec, OpenVLAFolder):
        raise ConfigError(f"{place}.kind: {folder} holds {'an' if is_openvla(folder) else 'no'} OpenVLA")
    if isinstance(spec, OpenVLAFolder):
        read_config(folder).name_of(spec.statistics)
    words = {entry: value for entry, value in policy_json(spec).items() if entry != "folder"}
    return _Told(words, None, spec.folder if is_of_hub else str(folder), identity)
