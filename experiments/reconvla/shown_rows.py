"""Rows as people are shown them before anything is done."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from experiments.reconvla.arms import arms_of, flat
from experiments.reconvla.config import AblationConfig
from policies.registry import OwnClass, PolicySpec, kind_of, policy_json
from settings.differing import differing
from settings.json_values import JsonObject


def rows_of(config: AblationConfig) -> list[JsonObject]:
    """In the order of the table; see `experiments.registry.Experiment.rows`. Raises ConfigError as `arms_of`."""
    before = flat(config)
    found: list[JsonObject] = []
    for arm in arms_of(config):
        differs = differing(before, flat(arm.config))
        found.append({
            "name": arm.name,
            "title": arm.title,
            "policy": None,
            "seeds": list(config.seeds_of(arm.name)),
            "differs": {key: {"from": old, "to": new} for key, (old, new) in differs.items()},
        })  # fmt: skip
    for name, row in config.policies.items():
        spec = row.spec(f"arms.{name}")
        found.append({
            "name": name,
            "title": row.title or name,
            "policy": kind_of(spec),
            "seeds": [],
            "differs": {f"policy.{entry}": told for entry, told in _of_policy(spec)},
        })  # fmt: skip
    return sorted(found, key=lambda row: list(config.arms).index(str(row["name"])))


def _of_policy(spec: PolicySpec) -> Iterator[tuple[str, dict[str, object]]]:
    """What a policy is told otherwise than its kind is by default, where there is a default."""
    told = policy_json(spec)
    for one in dataclasses.fields(spec):
        entry = one.name.rstrip("_")
        if isinstance(spec, OwnClass) and entry == "options":
            for name, value in spec.options.items():
                yield f"options.{name}", {"from": None, "to": value}
        elif entry in told and told[entry] != one.default:
            default = None if one.default is dataclasses.MISSING else one.default
            yield entry, {"from": default, "to": told[entry]}
