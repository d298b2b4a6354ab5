"""Models that `evaluate` can be pointed at by a name: a checkpoint, a folder of OpenVLA."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commands.named_checkpoint import Checkpoint, find_named, holds_openvla
from commands.named_policy import NamedPolicy
from policies.registry import AUTO, OpenVLAFolder, open_policy
from settings.home import Home
from settings.streams import say


def openvla_in(folder: str, options: Mapping[str, Any]) -> NamedPolicy | None:
    """The OpenVLA that a folder holds; None where it holds none."""
    if not holds_openvla(folder):
        return None
    say(f"loading {folder}", error=True)
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


def reconvla_named(
    home: Home, name: str, options: Mapping[str, Any], found: Checkpoint | None
) -> NamedPolicy:
    """The checkpoint `name`; found: what that is, where it was looked up already."""
    found = find_named(home, name) if found is None else found
    say(f"loading {name}", error=True)
    from policies.reconvla import ReconVLAPolicy  # which imports torch

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
