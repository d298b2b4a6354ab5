"""Settings of one run, by section, with their defaults and limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from benchmark.tasks import Scene
from settings.code_source import reference_of
from settings.places import no_home_folder
from settings.suggestions import did_you_mean

Positive = Annotated[int, Field(ge=1, le=1_000_000_000)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
#: Of threads, processes or devices of one job.
Few = Annotated[int, Field(ge=1, le=1024)]
#: Of a training; and of CALVIN's chains, of which the official evaluation has 1000.
Steps = Annotated[int, Field(ge=1, le=100_000_000)]
Sequences = Annotated[int, Field(ge=1, le=100_000)]
#: As both databases hold it.
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

LONGEST_NAME = 100
_SIMULATORS = ("playtable", "calvin")
_LONGEST_PATH_BYTES, _LONGEST_PART_BYTES = 4095, 255


def _name(text: str) -> str:
    if not 1 <= len(text) <= LONGEST_NAME:
        raise ValueError(f"a name has 1 to {LONGEST_NAME} characters, this one has {len(text)}")
    if not text.isprintable():
        raise ValueError("a name has characters that can be printed, and no others")
    if "/" in text or text in (".", ".."):
        raise ValueError("a name must do for a folder: no '/', and neither '.' nor '..'")
    return text


def check_path(text: str) -> str:
    if not text:
        raise ValueError("a path has at least one character; null is for none")
    if not text.isprintable():
        raise ValueError("a path has characters that can be printed, and no others")
    if max(map(len, (parts := text.encode().split(b"/")))) > _LONGEST_PART_BYTES:
        raise ValueError(f"no file system takes a name of {max(map(len, parts))} bytes")
    if len(text.encode()) > _LONGEST_PATH_BYTES:
        raise ValueError(f"no file system takes a path of {len(text.encode())} bytes")
    return text


def _simulator(text: str) -> str:
    if text not in _SIMULATORS and reference_of(text) is None:
        near = did_you_mean(text, _SIMULATORS)
        raise ValueError(f"it is 'playtable', 'calvin', or a class of yours as 'module:Class'{near}")
    return text


def _expanded(text: str) -> str:
    if not text.startswith("~"):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError:
        raise ValueError(no_home_folder(text)) from None


Name = Annotated[str, AfterValidator(_name)]
#: A path as it was written.
PathText = Annotated[str, AfterValidator(check_path)]
SimulatorName = Annotated[str, AfterValidator(_simulator)]
#: The name of a file or folder; a `~` in front is the home folder, as in a shell.
Place = Annotated[PathText, AfterValidator(_expanded)]


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values never change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """pydantic would take `yes` for 1 and `off` for 0. And -0.0 is 0.0, though it is written otherwise."""
        if type(value) is float and value == 0:
            return 0.0
        wants_truth = cls.model_fields[str(info.field_name)].annotation is bool
        found = value if isinstance(value, (list, tuple)) else [value]
        if not wants_truth and any(isinstance(item, bool) for item in found):
            if is_switched(cls.model_fields[str(info.field_name)].annotation):
                raise ValueError("null turns it off, and a mapping on ({} with its defaults)")
            raise ValueError("this is true or false (or yes, no, on, off) where something else is wanted")
        return value


def is_switched(annotation: object) -> bool:
    """Whether it is a section that may be off."""
    kinds = get_args(annotation)
    return type(None) in kinds and any(isinstance(one, type) and issubclass(one, Section) for one in kinds)


class Method(Section):
    """What distinguishes the paper's arms; each built-in arm sets this section (experiments/reconvla/arms.yaml)."""

    reconstruction: Literal["none", "gaze", "image"] = Field(
        default="none",
        description="what is denoised beside the action loss: nothing, the gaze region, or the whole picture",
    )
    grounding: Literal["none", "crop", "box"] = Field(
        default="none",
        description="how the policy is told where to look: not at all, by a second picture of the gaze region in its "
        "prompt (in training and in evaluation), or by having to say the region's box before its actions",
    )
    pretrained: bool = Field(
        default=False,
        description="training starts from a checkpoint of the stage `pretraining` (docs/model.md says on which data)",
    )


#: What users say of a dataset that does not say it itself.
READING = ("columns", "episodes", "validation_episodes", "validation_root", "scenes")

ColumnName = Annotated[str, Field(min_length=1, max_length=200)]


class Comparison(Section):
    """What the report concludes from: said before the results are there, so that nobody chooses by them."""

    baseline: Name | None = Field(
        default=None, description="the arm that all others are compared with; null: the first that is trained"
    )
    measure: Literal["avg_len", "success_1", "success_2", "success_3", "success_4", "success_5"] = Field(
        default="avg_len",
        description="the primary measure, the only one with p: the average length, or the share of sequences with at "
        "least so many tasks",
    )


class Columns(Section):
    """Columns of a LeRobot set by CALVIN's names of arrays; what is not named is found by name, shape and content."""

    rgb_static: ColumnName | None = None
    rgb_gripper: ColumnName | None = None
    robot_obs: ColumnName | None = None
    scene_obs: ColumnName | None = None
    rel_actions: ColumnName | None = None
    actions: ColumnName | None = None


class Data(Section):
    """Where demonstrations come from. `root: null` means the built-in simulator makes them."""

    root: Place | None = Field(
        default=None,
        description="a dataset in CALVIN's format, or a LeRobot set: its folder, or `hub:owner/name[@revision][/path]`",
    )
    columns: Columns = Field(
        default=Columns(), description="of a LeRobot set, by CALVIN's names of arrays; null: found out"
    )
    episodes: Annotated[str, Field(min_length=1, max_length=100_000)] | None = Field(
        default=None,
        description="which episodes of the LeRobot set at `root` are used, by number or task (`0-99,120`, or "
        "`open_drawer,0:100`); null: all",
    )
    validation_episodes: Annotated[str, Field(min_length=1, max_length=100_000)] | None = Field(
        default=None,
        description="episodes of a LeRobot set that are judged on and not trained on (`6-8,12`, or `6:9`), or `none`; "
        "null: found out",
    )
    validation_root: Place | None = Field(
        default=None,
        description="a dataset that is judged on (its validation split, or all of a LeRobot set that has one part); "
        "what a LeRobot set at `root` has of it is not trained on; null: `root`",
    )
    scenes: Annotated[str, Field(min_length=1, max_length=100_000)] | None = Field(
        default=None,
        description="which of CALVIN's scenes the episodes of a LeRobot set show: `D`, or `A=0-5;B=6-8,12`; null: told "
        "by their pictures",
    )
    pretraining_root: Place | None = Field(
        default=None,
        description="a dataset that `recon_pretrain` is pretrained on (its training split); null: `root`, or scenes "
        "of the built-in simulator where that is null too",
    )
    training_scenes: tuple[Scene, ...] = ("D",)
    pretraining_scenes: tuple[Scene, ...] = ("A", "B", "C")
    evaluation_scene: Scene = "D"
    tasks: tuple[str, ...] = Field(default=(), description="empty: every task the expert solves")
    demonstrations_per_task: Positive = 20
    pretraining_demonstrations_per_task: Positive = 8
    validation_demonstrations_per_task: Positive = 1
    starts: Literal["rest", "varied"] = Field(
        default="varied",
        description="demonstrations begin at rest, or half of them amid or after another task",
    )
    chunk: Positive = Field(default=4, description="demonstrations per ingest job")
    seed: Count = 0

    @field_validator("episodes", "validation_episodes", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        """One number and a list need no quotes in YAML."""
        parts = value if isinstance(value, (list, tuple)) else [value]
        if parts and all(type(part) in (int, str) for part in parts):
            return ",".join(map(str, parts))
        return value

    @model_validator(mode="after")
    def _of_a_dataset(self) -> Data:
        for setting in READING:
            if self.root is None and getattr(self, setting) != type(self).model_fields[setting].default:
                raise ValueError(f"{setting} is of a dataset, and root names none")
        return self

    @property
    def validated_on(self) -> str | None:
        """The dataset that is judged on; None where the built-in simulator makes it."""
        return self.validation_root or self.root

    @property
    def pretrained_on(self) -> str | None:
        """The dataset of the pretraining; None where the built-in simulator makes it."""
        return self.pretraining_root or self.root


class Gaze(Section):
    """Which detector finds the gaze region, how sure it must be, and what becomes of frames without one."""

    detector: str = Field(
        default="colour",
        description="colour, grounding_dino, groundingdino_py, oracle, or a class of yours (docs/own-code.md)",
    )
    weights: Place | None = Field(
        default=None, description="hub name, local folder or .pth file (GroundingDINO)"
    )
    box_threshold: Annotated[float, Field(ge=0, le=1)] = 0.35
    text_threshold: Annotated[float, Field(ge=0, le=1)] = 0.25
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto", description="of GroundingDINO's products; auto: fp16 on a GPU, fp32 on a processor"
    )
    python: Place | None = Field(default=None, description="interpreter that has groundingdino-py")
    stages: tuple[str, ...] | None = Field(default=None, description="stages of the pipeline; null: all")
    key_frame_interval: Positive = Field(
        default=8, description="frames over which a moving target is followed"
    )
    unknown_wording: Literal["no_target", "task"] = Field(
        default="no_target",
        description="demonstrations whose instruction is not understood: without gaze regions, or with those of "
        "their task",
    )
    untrusted: Literal["keep", "weigh", "drop"] = Field(
        default="keep",
        description="training frames without a trusted region: keep them, weigh their reconstruction by the "
        "region's score, or leave them out of the index",
    )


class Backbones(Section):
    """Local Hugging Face folders of pretrained parts; what is not named starts from random weights."""

    vision: PathText | None = Field(default=None, description="SigLIP")
    language: PathText | None = Field(default=None, description="Qwen2, with its tokenizer")
    autoencoder: PathText | None = Field(default=None, description="FLUX autoencoder, as diffusers saves it")
    tokenizer: PathText | None = Field(
        default=None, description="where it lies apart from the language model"
    )
    checkpoint: PathText | None = Field(
        default=None, description="a whole ReconVLA, of ours or the official one"
    )


class Model(Section):
    """Size by name, single fields of the model's configuration overridden in `override`."""

    size: str = "toy"
    backbones: Backbones = Backbones()
    official_compat: bool = Field(
        default=False,
        description="with the oddities of the official code that change results (docs/model.md)",
    )
    override: dict[str, object] = Field(default_factory=dict)


class EarlyStopping(Section):
    """End a run when more training is not worth its time (tasks/train/early_stopping.py has the rule)."""

    every_steps: Positive = Field(default=100, description="steps between measurements")
    frames: Positive = Field(
        default=64, description="held-out frames measured on, at the end too (200 where nothing says)"
    )
    window: Positive = Field(
        default=3, description="measurements whose mean is compared with that of earlier ones"
    )
    min_gain: PositiveFloat = Field(default=0.01, description="relative gain that is worth a window")


class OpenLoop(Section):
    """Measure on held-out frames how far predicted actions are from recorded ones, while a run goes on."""

    every_steps: Positive = Field(default=500, description="steps between measurements")
    frames: Positive = Field(
        default=64, description="held-out frames measured on, at the end too (200 where nothing says)"
    )


class Lora(Section):
    """Low-rank adapters in a frozen language model; with four_bit its weights take a quarter of 16 bits."""

    rank: Positive = 16
    alpha: Positive = 32
    four_bit: bool = False


class Training(Section):
    """One training stage. Thread count and precision decide the order of sums, hence the weights."""

    steps: Steps = 300
    batch_size: Positive = 16
    learning_rate: PositiveFloat = 1e-3
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.03
    weight_decay: NonNegative = 0.0
    gradient_clip: PositiveFloat = 1.0
    reconstruction_weight: NonNegative = 1.0
    threads: Few = 1
    slice_seconds: PositiveFloat = 600.0
    checkpoint_seconds: PositiveFloat = 60.0
    log_every_steps: Positive = 10
    early_stopping: EarlyStopping | None = Field(default=None, description="off unless given")
    open_loop: OpenLoop | None = Field(default=None, description="off unless given; ends no run")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        default="fp32", description="of products; weights and sums of gradients stay in float32"
    )
    micro_batch: Positive | None = Field(
        default=None, description="samples per forward pass; the whole batch until memory runs out"
    )
    gradient_checkpointing: bool = Field(default=False, description="less memory, a third more time")
    lora: Lora | None = Field(default=None, description="train adapters instead of the language model")
    devices: Few = Field(
        default=1,
        description="ranks that the model is divided over and that share each batch, a GPU of one worker each",
    )
    nodes: Few = Field(
        default=1,
        description="machines that the devices are of, as many of each; those need BATON_GANG_ADDRESS",
    )
    elastic: bool = Field(
        default=False,
        description="go on over fewer machines, with fewer devices, where some of the nodes are lost",
    )

    @model_validator(mode="after")
    def _as_many_of_each_machine(self) -> Training:
        if self.devices % self.nodes:
            raise ValueError(
                f"devices ({self.devices}) is not a multiple of nodes ({self.nodes}): each machine has as many"
            )
        if self.elastic and self.nodes == 1:
            raise ValueError(
                "elastic is about the machines of a run, and nodes is 1: nothing of it can be left"
            )
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        """As of `AblationConfig`."""
        values: dict[str, object] = write(self)
        for setting in ("nodes", "elastic"):
            if getattr(self, setting) == Training.model_fields[setting].default:
                values.pop(setting, None)
        return values

    @model_validator(mode="after")
    def _one_set_of_frames(self) -> Training:
        if self.early_stopping and self.open_loop and self.early_stopping.frames != self.open_loop.frames:
            raise ValueError(
                f"early_stopping.frames ({self.early_stopping.frames}) and open_loop.frames ({self.open_loop.frames}) "
                "differ: both give held-out losses of one report, which must be of the same frames"
            )
        return self


class Evaluation(Section):
    """CALVIN's long-horizon evaluation; `max_steps` are environment steps per subtask (official: 360)."""

    protocol: Literal["calvin", "reconvla-500"] | None = Field(
        default=None, description="a named protocol; it decides sequences, max_steps and tasks"
    )
    sequences: Sequences = 100
    sequences_per_shard: Positive = 25
    max_steps: Positive = 360
    simulator: SimulatorName = Field(
        default="playtable", description="playtable, calvin, or a class of yours (docs/own-code.md)"
    )
    assets: Place | None = Field(
        default=None, description="a clone of calvin_env: playtable in CALVIN's scenes"
    )
    calvin_python: PathText | None = Field(
        default=None, description="interpreter that imports calvin_env (simulator calvin)"
    )
    renderer: Literal["auto", "egl", "tiny"] = Field(
        default="auto",
        description="auto: the one that drew the training frames, or tiny where EGL does not work on the machine "
        "that plans; the report says so where they differ",
    )
    instructions: PathText | None = Field(
        default=None, description="YAML of CALVIN's form with the phrase of each task"
    )
    sequences_file: PathText | None = Field(
        default=None,
        description="JSON of `[[initial state, [five tasks]], ...]`: its first `sequences`, instead of CALVIN's list",
    )
    simulators_per_batch: Few = 8
    parallel_simulators: bool = Field(
        default=False,
        description="each simulator in a process of its own: a GPU waits for one of them, not for their sum",
    )
    policy_batch: Positive = Field(
        default=8, description="rows of every forward pass, whatever the number of simulators"
    )
    videos: Count = Field(default=0, description="films of failed subtasks, at most this many a shard")
    video_attention: bool = Field(default=False, description="those films show where the model looked")
    precision: Literal["auto", "fp32", "bf16", "fp16", "4bit"] = Field(
        default="auto",
        description="that a trained model is judged in, also its attention and reconstructions; auto: fp32, but "
        "after training with `lora` the precision its frozen weights had",
    )
    slice_seconds: PositiveFloat = 600.0
    threads: Few = 1
    random_baseline: bool = True

    @property
    def shows_looks(self) -> bool:
        """Without films nothing is shown: jobs are those of before."""
        return self.video_attention and self.videos > 0


class Attention(Section):
    """Which attention is looked at, and on how many held-out frames."""

    frames: Count = Field(default=64, description="evenly spaced; 0: every frame with a gaze region")
    layer: Annotated[int, Field(ge=-1000, le=1000)] = Field(
        default=-1, description="of the language model; -1 is the last"
    )
    heads: tuple[Count, ...] = Field(default=(), description="averaged over; empty: all")
