"""What parameters of somebody else's jobs may be: the types and bounds of those that the planner writes.

Names that it does not write are read by no body.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from benchmark.tasks import Scene
from detectors.registry import DETECTORS
from settings.ablation import Attention, Few, Lora, PathText, Sequences, Steps
from settings.shown import shown

#: Entries of parameters that are paths.
_PLACES = ("root", "assets", "weights")
#: Names on the hub whose weights a bundle may have fetched: GroundingDINO's own.
HUB = re.compile(r"IDEA-Research/grounding-dino-[a-z]+")
#: Where files are what a process makes them, and where a bundle puts its own.
MADE_UP = re.compile(r"/(proc|dev|sys)(/|\Z)")
_IN_A_STORE = re.compile(r"(\A|/)artifacts/[0-9a-f]{2}/[0-9a-f]{64}")


def _place(text: str) -> str:
    if not Path(text).is_absolute():
        raise ValueError(f"{shown(text)} is no whole path")
    return lies_elsewhere(text)


def lies_elsewhere(text: str) -> str:
    """The same path. Raises ValueError where nobody's data lie, or where a bundle puts its own files."""
    # Two at the beginning are one to Linux, and kept there.
    path = re.sub(r"\A/+", "/", os.path.normpath(text))
    if MADE_UP.match(path):
        raise ValueError(f"{shown(text)} is no place of files that lie still")
    if _IN_A_STORE.search(path):
        raise ValueError(f"{shown(text)} is in the store of a home, where a bundle puts its own files")
    return text


def _weights(text: str) -> str:
    return text if HUB.fullmatch(text) else _place(text)


Number = Annotated[int, Field(ge=0, le=2**31 - 1)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]
Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(max_length=10_000)]
Place = Annotated[PathText, AfterValidator(_place)]
Split = Literal["training", "validation", "pretraining"]


class _Part(BaseModel):
    """Values are optional: a job that lacks one ends with an error of its own, and computes nothing."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Demonstration(_Part):
    number: Number = 0
    scene: Scene = "D"
    task: Text = ""
    seed: Number = 0
    starts: Text = ""


class _Options(_Part):
    """They are handed to a detector as they are, so there are no others."""

    model_config = ConfigDict(extra="forbid", strict=True)

    stages: list[Text] | None = None
    interval: Annotated[int, Field(ge=1, le=2**31 - 1)] = 1
    box_threshold: Share = 0.0
    text_threshold: Share = 0.0
    precision: Text = ""
    weights: Annotated[str, AfterValidator(_weights)] | None = None


class _Detector(_Part):
    detector: Literal[tuple(DETECTORS)] = "colour"  # type: ignore[valid-type]
    version: Text | None = None
    options: _Options = _Options()
    targets: Number = 0


class _Folder(_Part):
    root: Place
    identity: Text = ""


class _Model(_Part):
    config: dict[str, Any] = Field(default_factory=dict)
    reconstructs: Literal["none", "gaze", "image"] = "none"
    backbones: dict[Literal["vision", "language", "autoencoder", "checkpoint"], _Folder] = Field(
        default_factory=dict
    )
    tokenizer: _Folder | None = None
    instructions: list[Text] = Field(default_factory=list)


class _Frames(_Part):
    every_steps: Steps = 1
    frames: Number = 0
    window: Number = 0
    min_gain: Seconds = 0.0
    same_frames: bool = False


class _Training(_Part):
    steps: Steps = 1
    batch_size: Number = 1
    learning_rate: Seconds = 0.0
    threads: Few = 1
    devices: Few = 1
    checkpoint_seconds: Seconds = 0.0
    log_every_steps: Number = 1
    micro_batch: Number | None = None
    precision: Text = ""
    early_stopping: _Frames | None = None
    open_loop: _Frames | None = None
    lora: Lora | None = None


class _Job(_Part):
    """What parameters of several kinds have in common."""

    model: _Model = _Model()
    seed: Number = 0
    threads: Few = 1
    slice_seconds: Seconds | None = None
    precision: Text = ""
    frames: Number = 0


class _Ingest(_Job):
    source: Literal["calvin", "playtable"] = "playtable"
    split: Split = "training"
    demonstrations: list[_Demonstration] = Field(default_factory=list)
    identity: list[Text] = Field(default_factory=list)
    root: Place | None = None


class _Gaze(_Detector):
    number: Number = 0
    unknown_wording: Text = ""


class _Index(_Part):
    split: Split = "training"
    numbers: list[Number] = Field(default_factory=list)
    untrusted: Text = "keep"
    repeat_motion: bool = False
    about: dict[Text, dict[Text, Number]] = Field(default_factory=dict)


class _Train(_Job):
    training: _Training = _Training()
    drawn_by: Text | None = None
    drawn_basis: Text | None = None


class _Evaluate(_Job):
    mode: Literal["open_loop", "closed_loop"] = "open_loop"
    policy: Literal["random", "reconvla", "expert"] = "random"
    simulator: Literal["playtable", "calvin"] = "playtable"
    scene: Scene = "D"
    assets: Place | None = None
    scenes: Literal["baton", "calvin"] = "baton"
    renderer: Literal["tiny", "egl"] = "tiny"
    frames_renderer: Text | None = None
    frames_basis: Text | None = None
    frames_scenes: Text | None = None
    untrained_tasks: list[Text] | None = None
    jpeg: bool = False
    tasks: list[Text] = Field(default_factory=list)
    instructions: dict[Text, Text] | None = None
    drawn: Sequences = 1
    max_steps: Number = 1
    simulators: Few = 1
    policy_batch: Annotated[int, Field(ge=1, le=65536)] = 1
    videos: Number = 0
    video_attention: bool = False
    parallel: bool = False
    first: Number = 0
    last: Number = 0
    gaze: _Detector | None = None
    calvin_env: dict[Text, Text] = Field(default_factory=dict)
    assets_digest: Text = ""


class _Attention(_Job):
    attention: Attention = Attention()


class _Report(_Part):
    ablation: Text = ""
    not_held_out: Number = 0


#: By the kind of a job.
OF_KINDS: dict[str, type[_Part]] = {
    "ingest": _Ingest,
    "gaze": _Gaze,
    "index": _Index,
    "pretrain": _Train,
    "train": _Train,
    "evaluate": _Evaluate,
    "attention": _Attention,
    "reconstruct": _Job,
    "report": _Report,
}


def places(part: BaseModel) -> Iterator[str]:
    """Paths in a job's parameters, which have been checked."""
    for name, value in part:
        if isinstance(value, BaseModel):
            yield from places(value)
        elif isinstance(value, dict):
            for item in value.values():
                if isinstance(item, BaseModel):
                    yield from places(item)
        elif name in _PLACES and value is not None and not HUB.fullmatch(value):
            yield value
