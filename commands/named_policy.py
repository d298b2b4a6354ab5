"""What `evaluate` can be pointed at: a checkpoint, an OpenVLA, a policy server, the expert, chance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.checkpoint import holds_openvla, open_named, refuse_crop
from errors import InvalidInput
from settings.home import Home

if TYPE_CHECKING:
    from policies.base import Policy


@dataclass(frozen=True)
class NamedPolicy:
    """about: what decides its answers beside the queries, and is not in its name. drawn_by: the renderer of the
    frames that it was trained on, None where nothing tells; drawn_basis: what that rests on. told: what else results
    should say; not compared with those of earlier calls.
    """

    policy: Policy
    about: Mapping[str, Any] = field(default_factory=dict)
    drawn_by: str | None = None
    drawn_basis: str | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


def policy_named(home: Home, name: str, options: Mapping[str, Any]) -> NamedPolicy:
    """options: those of `evaluate`. Raises InvalidInput, CheckpointError or WeightsMissing for what is no policy."""
    if holds_openvla(name):
        return _openvla(Path(name), options)
    refuse_crop(options["center_crop"], name)
    if name == "random":
        from policies.random_actions import RandomPolicy

        return NamedPolicy(RandomPolicy(options["seed"]), {"seed": options["seed"]})
    if name == "expert":
        from policies.expert import ExpertPolicy

        return NamedPolicy(ExpertPolicy())
    if name.startswith(("http://", "https://")):
        from policies.remote import RemotePolicy

        chunk_steps = int(options["chunk_steps"])
        remote = RemotePolicy(name, chunk_steps=chunk_steps, timeout_seconds=options["server_timeout"])
        return NamedPolicy(remote, {"chunk_steps": chunk_steps})
    if re.fullmatch(r"[^/]+:\d+(/.*)?", name) and not Path(name).exists():
        raise InvalidInput(f"there is no folder {name}; the address of a server begins with http://")
    return _reconvla(home, name, options)


def _openvla(folder: Path, options: Mapping[str, Any]) -> NamedPolicy:
    from models.folder_identity import folder_identity
    from policies.checkpoint_folder import AUTO
    from policies.openvla import OpenVLAPolicy

    precision = options["precision"]
    openvla = OpenVLAPolicy(folder, options["statistics"], precision, options["center_crop"])
    about = {"weights": folder_identity(folder), "statistics": options["statistics"],
             "threads": options["threads"]}  # fmt: skip
    if precision != AUTO:  # which results of earlier versions, where there was no choice, do not name
        about["precision"] = precision
    if openvla.center_crop:  # nor was there a crop
        about["center_crop"] = True
    return NamedPolicy(openvla, about, told={"statistics_used": openvla.statistics})


def _reconvla(home: Home, name: str, options: Mapping[str, Any]) -> NamedPolicy:
    named = open_named(home, name, options["precision"])
    from policies.checkpoint_folder import policy_of

    batch, detector = options["batch"], options["detector"]
    policy = policy_of(named.model, named.recipe, batch, detector, options["official_compat"])
    about = {"weights": named.identity, "batch": batch, "precision": options["precision"],
             "threads": options["threads"]}  # fmt: skip
    if named.recipe.config.grounding == "crop":
        about["detector"] = detector
    return NamedPolicy(policy, about, named.drawn_by, named.drawn_basis)
