"""What `evaluate` can be pointed at by a name: the expert, chance, a policy server, or a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.model_options import refuse_crop
from errors import InvalidInput
from policies.base import Policy
from policies.registry import RELATIVE, PolicyServer, RandomActions, ScriptedExpert, open_policy
from settings.home import Home
from settings.shown import shown
from settings.suggestions import meant

if TYPE_CHECKING:
    from commands.named_checkpoint import Checkpoint


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
    if found is None and Path(name).is_dir():
        from commands.named_model import openvla_in

        openvla = openvla_in(name, options)
        if openvla is not None:
            return openvla
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
    near = meant(name, ("random", "expert"))
    if found is None and near and not Path(name).exists():
        raise InvalidInput(f"there is no policy and no folder {shown(name)}{near}")
    from commands.named_model import reconvla_named

    return reconvla_named(home, name, options, found)
