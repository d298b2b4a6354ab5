"""What jobs are told, a frozen dataclass for each kind. Imports no torch, so that planning stays quick.

Rows of earlier versions lack some entries: `_with` puts there what those versions did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from benchmark.tasks import Scene
from detectors.spec import DetectorSpec
from detectors.targets.table import TARGETS_VERSION
from errors import ConfigError
from models.spec import ModelSpec
from settings.bounds import AtLeastOne, Few, Number, PathText, Seconds, Share, Steps, Text
from settings.json_values import JsonObject
from settings.typed_json import Aside, Flag, Items, Real, Whole
from tasks.evaluate.chains import FILM, ChainsSpec
from tasks.kind import Spec, Upgrade

if TYPE_CHECKING:
    from typing_extensions import Self

SplitName = Literal["training", "validation", "pretraining"]

#: Stands in jobs that were planned before it was looked at what drew the frames; None is "looked at, and unknown".
NOT_LOOKED_AT = "not looked at"


#: A detector of which an earlier version said little: any will do.
_ANY_DETECTOR: dict[str, object] = {"version": None, "options": {}, "targets": TARGETS_VERSION}


def _with(**earlier: object) -> Upgrade:
    """Entries of an earlier format, and these where it lacks them."""
    return lambda values: {**earlier, **values}


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """One demonstration. The fields after `number` are of those that the expert makes."""

    number: Number
    scene: Scene | None = None
    task: Text | None = None
    seed: Number | None = None
    starts: Text | None = None


@dataclass(frozen=True, kw_only=True)
class IngestSpec(Spec):
    """identity: what decides the bytes of each demonstration; empty in jobs that say nothing of it. root: the dataset's
    folder, None for the expert's. columns, held_out, scenes: how a dataset is read that does not say it itself, as
    it was found out when the job was planned (`calvin.split.Reading`)."""

    source: Literal["calvin", "playtable"]
    split: SplitName
    demonstrations: Items[Demonstration]
    identity: Items[Text] = ()
    root: Aside[PathText | None] = None
    columns: Aside[Mapping[str, Text] | None] = None
    held_out: Aside[Annotated[str, Field(max_length=1_000_000)] | None] = None
    scenes: Aside[Annotated[str, Field(max_length=1_000_000)] | None] = None

    @property
    def loads_model(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class GazeSpec(DetectorSpec, Spec):
    """Regions of one demonstration. unknown_wording: what an instruction that is not understood gives."""

    upgrades: ClassVar[tuple[Upgrade, ...]] = (_with(unknown_wording="no_target", **_ANY_DETECTOR),)

    has_parts: ClassVar[bool] = True

    number: Number
    unknown_wording: Literal["no_target", "task"]

    @property
    def part(self) -> DetectorSpec:
        return self.finder

    @property
    def finder(self) -> DetectorSpec:
        """What is looked with, whatever is looked at."""
        return DetectorSpec(
            detector=self.detector, version=self.version, options=self.options, targets=self.targets
        )

    @property
    def loads_model(self) -> bool:
        return self.detector not in ("colour", "oracle")


@dataclass(frozen=True, kw_only=True)
class About:
    """For people: demonstrations by scene."""

    scenes: Mapping[Text, Number]


@dataclass(frozen=True, kw_only=True)
class IndexSpec(Spec):
    """untrusted: what becomes of frames without a trusted region. repeat_motion: chunks beyond the end of a
    demonstration repeat its last motion."""

    split: SplitName
    numbers: Items[Number]
    about: Aside[About | None] = None
    untrusted: Literal["keep", "weigh", "drop"] = "keep"
    repeat_motion: Flag = False

    @property
    def loads_model(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class EarlyStoppingSpec:
    """same_frames: the held-out frames are those of open loop; by_demonstration: each is compared with itself;
    lasting_noise: noise may last from one measurement to the next. Jobs of earlier versions have frames of their own,
    compare means, and take noise for independent."""

    every_steps: Steps
    frames: Number
    window: Number
    min_gain: Seconds
    same_frames: Flag = False
    by_demonstration: Flag = False
    lasting_noise: Flag = False


@dataclass(frozen=True, kw_only=True)
class OpenLoopDuring:
    """Measured on held-out frames while a run goes on."""

    every_steps: Steps
    frames: Number


@dataclass(frozen=True, kw_only=True)
class LoraSpec:
    rank: AtLeastOne
    alpha: AtLeastOne
    four_bit: Flag


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """One training stage; see `experiments.reconvla.config.Training`.

    over: how several `devices` share a batch: as `ranks` of a process group that the model is divided over. Builds
    before that gave each a copy of it, and their jobs have none, nor have jobs of one device. nodes, elastic: where
    those devices are, and whether fewer do; how many there are decides the sums. operations: `few` where one processor
    computes the losses by `models.short_training`; jobs that were planned before have none.
    """

    steps: Steps
    batch_size: AtLeastOne
    learning_rate: Seconds
    warmup_fraction: Share
    weight_decay: Real
    gradient_clip: Real
    reconstruction_weight: Real
    threads: Few
    checkpoint_seconds: Aside[Seconds]
    log_every_steps: AtLeastOne
    early_stopping: EarlyStoppingSpec | None
    precision: Literal["fp32", "bf16", "fp16"]
    micro_batch: AtLeastOne | None
    gradient_checkpointing: Flag
    lora: LoraSpec | None
    devices: Few
    open_loop: OpenLoopDuring | None = None
    over: Literal["ranks"] | None = None
    nodes: Aside[Few] = 1
    elastic: Aside[Flag] = False
    operations: Literal["few"] | None = None

    @property
    def largest_micro_batch(self) -> int:
        """Samples of a forward pass. Every device has its part of the batch."""
        part = -(-self.batch_size // self.devices)
        return part if self.micro_batch is None else min(self.micro_batch, part)


@dataclass(frozen=True, kw_only=True)
class TrainSpec(Spec):
    """drawn_by, drawn_basis: what drew the training frames, and what that rests on. losses: by what their pictures lost
    detail, None where they did not."""

    upgrades: ClassVar[tuple[Upgrade, ...]] = (_with(drawn_by=NOT_LOOKED_AT, drawn_basis=None),)

    model: ModelSpec
    training: TrainingSpec
    seed: Number
    slice_seconds: Aside[Seconds]
    drawn_by: Aside[Text | None]
    drawn_basis: Aside[Text | None]
    losses: Aside[Text | None] = None

    @property
    def time_slice(self) -> float | None:
        return self.slice_seconds

    @property
    def cpu_threads(self) -> int | None:
        return self.training.threads

    @property
    def processes(self) -> int:
        return self.training.devices

    @property
    def machines(self) -> int:
        return self.training.nodes

    @property
    def elastic(self) -> bool:
        return self.training.elastic

    def divided_over(self, processes: int) -> Self:
        training = self.training
        if processes > 1 and (training.lora is not None or training.precision == "fp16"):
            what = "fp16" if training.lora is None else "lora"
            raise ConfigError(f"training with {what} is done on one device")
        over: Literal["ranks"] | None = "ranks" if processes > 1 else None
        return replace(self, training=replace(training, devices=processes, over=over))

    @property
    def samples_at_once(self) -> int | None:
        return self.training.largest_micro_batch


Precision = Literal["fp32", "bf16", "fp16", "4bit"]


@dataclass(frozen=True, kw_only=True)
class JudgedSpec(Spec):
    """What jobs that look at a trained model have in common. precision: that it is loaded in."""

    model: ModelSpec
    threads: Few
    precision: Precision = "fp32"

    @property
    def cpu_threads(self) -> int | None:
        return self.threads


@dataclass(frozen=True, kw_only=True)
class OpenLoopSpec(JudgedSpec):
    """frames: recorded frames that the error is measured on; None: `tasks.evaluate.open_loop.FRAMES`. jpeg: with the
    losses of the official builder's files."""

    mode: Literal["open_loop"]
    frames: Number | None = None
    jpeg: Flag = False

    @classmethod
    def reads(cls, values: JsonObject) -> bool:
        return values.get("mode") == "open_loop"


def _earlier_shard(values: JsonObject) -> JsonObject:
    gaze = values.get("gaze")
    return {
        "scenes": "baton",
        "renderer": "tiny",
        "frames_renderer": NOT_LOOKED_AT,
        "frames_basis": None,
        "frames_scenes": None,
        "untrained_tasks": None,
        "video_attention": False,
        "parallel": False,
        **values,
        **({"gaze": {**_ANY_DETECTOR, **gaze}} if isinstance(gaze, Mapping) else {}),
    }


NamedPolicy = Literal["reconvla", "random", "expert"]


@dataclass(frozen=True, kw_only=True)
class ClosedLoopSpec(ChainsSpec, Spec):
    """A shard of CALVIN's long-horizon evaluation: the sequences `first` to `last` - 1 of the list.

    policy: `reconvla`, the trained model that the job depends on; `random`, `expert`; or the JSON of one of
    `policies.registry`, whose folder, where it has one, is policy_folder, and what lies there policy_identity. scenes:
    whose scenes are shown. frames_renderer, frames_basis, frames_scenes: what drew the training frames (None: unknown),
    what that rests on, whose scenes they show; frames_losses: by what they lost detail. policy_batch: rows of every
    forward pass. seed: of random actions. gaze: of a model that is shown the region. contents: what each sequence is
    (`tasks.evaluate.closed_loop.contents_of`), None in jobs of earlier versions.
    """

    upgrades: ClassVar[tuple[Upgrade, ...]] = (_earlier_shard,)

    has_parts: ClassVar[bool] = True

    mode: Literal["closed_loop"]
    policy: NamedPolicy | Mapping[str, object]
    scenes: Literal["baton", "calvin"]
    frames_renderer: Text | None
    frames_basis: Aside[Text | None]
    frames_scenes: Aside[Text | None]
    untrained_tasks: Aside[Items[Text] | None]
    policy_batch: Annotated[Whole, Field(ge=1, le=65536)]
    threads: Few
    videos: Number
    video_attention: Flag
    first: Number
    last: Number
    slice_seconds: Aside[Seconds]
    seed: Number | None = None
    model: ModelSpec | None = None
    precision: Precision = "fp32"
    gaze: DetectorSpec | None = None
    policy_folder: Aside[PathText | None] = None
    policy_identity: Text | None = None
    contents: Items[Text] | None = None
    frames_losses: Aside[Text | None] = None

    @classmethod
    def reads(cls, values: JsonObject) -> bool:
        return values.get("mode") == "closed_loop"

    @property
    def first_listed(self) -> int:
        return self.first

    def keyed(self) -> ClosedLoopSpec:
        """A sequence counts by what it is, wherever it stands in a list; chance draws by that place too."""
        if self.contents is None:
            return self
        counted = replace(self, instructions=None, listed=None)
        if self.is_random:
            return counted
        return replace(counted, tasks=(), order="drawn", drawn=1, first=0, last=len(self.contents))

    @property
    def is_random(self) -> bool:
        return self.policy == "random" or (
            isinstance(self.policy, Mapping) and self.policy.get("kind") == "random"
        )

    @property
    def time_slice(self) -> float | None:
        return self.slice_seconds

    @property
    def cpu_threads(self) -> int | None:
        return self.threads

    def of_the_way(self, name: str) -> bool:
        return name.startswith(FILM)

    def keeping_all(self) -> ClosedLoopSpec:
        return replace(self, videos=self.last - self.first)

    @property
    def at_once(self) -> int:
        return self.simulators

    @property
    def part(self) -> DetectorSpec | None:
        return self.gaze


@dataclass(frozen=True, kw_only=True)
class LookedAt:
    """frames: evenly spaced, 0 for every frame with a region. layer: of the language model, from the end where
    negative. heads: averaged over; empty for all."""

    frames: Number
    layer: Annotated[Whole, Field(ge=-1000, le=1000)]
    heads: Items[Number]


@dataclass(frozen=True, kw_only=True)
class AttentionSpec(JudgedSpec):
    attention: LookedAt


@dataclass(frozen=True, kw_only=True)
class ReconstructSpec(JudgedSpec):
    """seed: of the noise that samples begin with."""

    seed: Number


@dataclass(frozen=True, kw_only=True)
class ReportSpec(Spec):
    """ablation: its key. not_held_out: validation demonstrations that were trained on too. not_held_out_of: the same by
    row of the table, of those that are judged on another dataset. left_out: by purpose (training, validation,
    pretraining) what of the dataset is not used, and why."""

    ablation: Text
    not_held_out: Number = 0
    not_held_out_of: Mapping[Text, Number] | None = None
    left_out: Mapping[str, Items[Text]] | None = None

    @property
    def loads_model(self) -> bool:
        return False
