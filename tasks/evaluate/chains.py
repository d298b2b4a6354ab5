"""What is evaluated and where, as rows hold it: a simulated scene, and a list of CALVIN's chains in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from benchmark.tasks import Scene
from settings.bounds import Few, Number, PathText, Text
from settings.code_source import reference_of
from settings.typed_json import Aside, Flag, Items, Whole
from simulators.rendering import Renderer

#: How films of failures are named, before the number of their sequence.
FILM = "failure_"


@dataclass(frozen=True, kw_only=True)
class OfficialSimulator:
    """The package calvin_env: its digest, and the versions of what it stands on."""

    digest: Text
    pybullet: Text
    numpy: Text
    python: Aside[Text]


def _simulator(name: str) -> str:
    reference = reference_of(name)
    if name not in ("playtable", "calvin") and (reference is None or reference.digest is None):
        raise ValueError(
            "it is playtable, calvin, or a class of somebody's own with the digest of its source"
        )
    return name


SimulatorName = Annotated[str, AfterValidator(_simulator)]


@dataclass(frozen=True, kw_only=True)
class SimulatedScene:
    """How scenes are simulated, by CALVIN's protocol. simulator: one of Baton's, or a class of the user's own with the
    digest of its source.

    assets: a clone of calvin_env; python: the interpreter of the official simulator; what lies there is `assets_digest`
    or `calvin_env`. parallel: each simulator in a process of its own.
    """

    simulator: SimulatorName
    scene: Scene
    assets: Aside[PathText | None]
    python: Aside[PathText | None]
    renderer: Renderer
    parallel: Aside[Flag]
    assets_digest: Text | None = None
    calvin_env: OfficialSimulator | None = None


@dataclass(frozen=True, kw_only=True)
class ChainsSpec(SimulatedScene):
    """A list of `drawn` chains of five tasks. tasks: empty for all of CALVIN's. order: `distinct` where copies of
    chains come after all others. instructions: phrase by task, None for Baton's own. max_steps: of a subtask.
    simulators: side by side. listed: the sequences themselves, where they are from a file, as
    `calvin.listed_sequences.listed` has them; of a shard, its own."""

    tasks: Items[Text]
    drawn: Annotated[Whole, Field(ge=1, le=100_000)]
    instructions: Mapping[Text, Text] | None
    max_steps: Number
    simulators: Aside[Few]
    order: Literal["drawn", "distinct"] = "drawn"
    listed: Items[Text] | None = None

    @property
    def first_listed(self) -> int:
        """The number of the sequence that `listed` begins with."""
        return 0
