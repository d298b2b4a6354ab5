"""How an ablation judges one of its runs, as options of `evaluate`: what `evaluate ARM seed N` does unless told
otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tasks.specs import ClosedLoopSpec

#: Each names a list of sequences or how long they take; where one is given the others are the command's own too. Their
#: number alone is that of the first of the ablation's list.
_OF_THE_LIST = frozenset({"protocol", "sequences_file", "tasks", "official_compat"})
#: Each names where it is done.
_OF_THE_PLACE = frozenset({"simulator", "scene", "assets", "calvin_python"})


@dataclass(frozen=True)
class OwnProtocol:
    """ablation: what it is called. spec: one of the shards of the run's evaluation, with the sequences of
    all where they are from a file. sequences: of all of them."""

    ablation: str
    spec: ClosedLoopSpec
    sequences: int

    def options(self, given: Collection[str]) -> dict[str, Any]:
        """Values of options that were not `given`: of the list of sequences, of the place, and each of the rest."""
        spec = self.spec
        whole: list[tuple[frozenset[str], Mapping[str, Any]]] = [
            (_OF_THE_LIST, {"chains": spec}),
            (_OF_THE_LIST | {"sequences"}, {"sequences": self.sequences}),
            (
                _OF_THE_PLACE,
                {
                    "simulator": spec.simulator,
                    "scene": spec.scene,
                    "assets": spec.assets,
                    "calvin_python": spec.python,
                },
            ),
            *(
                (frozenset({name}), {name: value})
                for name, value in (
                    ("max_steps", spec.max_steps),
                    ("renderer", spec.renderer),
                    ("batch", spec.policy_batch),
                    ("threads", spec.threads),
                    ("precision", spec.precision),
                    *([("detector", spec.gaze.detector)] if spec.gaze is not None else []),
                )
            ),
        ]
        if {"protocol", "official_compat"} & set(given):
            whole = [(names, values) for names, values in whole if "max_steps" not in names]
        return {
            name: value for names, values in whole if not names & set(given) for name, value in values.items()
        }


def own_protocol(ablation: str, specs: Iterable[object]) -> OwnProtocol | None:
    """specs: of the jobs of one run. None where nothing judges it in closed loop."""
    shards = [spec for spec in specs if isinstance(spec, ClosedLoopSpec)]
    if not shards:
        return None
    in_order = {spec.first: spec.listed for spec in sorted(shards, key=lambda spec: spec.first)}
    listed = tuple(line for lines in in_order.values() for line in lines or ())
    whole = shards[0] if shards[0].listed is None else replace(shards[0], listed=listed)
    return OwnProtocol(ablation, whole, max(spec.last for spec in shards))
