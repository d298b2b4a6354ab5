"""The jobs of one run: its training, and what judges it; and what they share with other runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from calvin.split import TRAINING, VALIDATION, Reading, Recording
from db.plans import Dependency, RunRef
from errors import ConfigError, DatasetError
from experiments.reconvla.arms import Arm, built_in
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.data_jobs import DataJobs
from experiments.reconvla.demonstrations import PRETRAINING, place_of, reading_of
from experiments.reconvla.evaluation_plan import (
    KeptLists,
    ListOfSequences,
    asked_tasks,
    closed_loop_shards,
    frames_recording,
    untrained_tasks,
)
from experiments.reconvla.job_book import JobBook
from experiments.reconvla.model_plan import judged_in, planned_model, planned_stage
from experiments.reconvla.sections import Backbones, Data, Gaze, Method, Training
from models.spec import Folder, ModelSpec
from tasks.kind import Kind
from tasks.registry import ATTENTION, EVALUATE, PRETRAIN, RECONSTRUCT, TRAIN
from tasks.results import TrainResult
from tasks.specs import (
    AttentionSpec,
    ClosedLoopSpec,
    LookedAt,
    OpenLoopSpec,
    ReconstructSpec,
    SplitName,
    TrainSpec,
)


class RunJobs:
    """Puts jobs into `book`; what was made for one run is the same for others that ask for it.

    folders: of each choice of backbones, which whoever plans fills in before a model is asked for.
    """

    def __init__(self, config: AblationConfig, sequences_in: KeptLists, in_few: bool) -> None:
        self._config = config
        self._in_few = in_few
        self._sequences_in = sequences_in
        self.book = JobBook(config.scheduling)
        self.folders: dict[Backbones, dict[str, Folder]] = {}
        self._data: dict[tuple[Data, Gaze, bool], DataJobs] = {}
        self._recordings: dict[tuple[str | None, Reading], Recording] = {}
        self._models: dict[tuple[str, Method, float, tuple[str, ...]], ModelSpec] = {}
        self._shards: list[tuple[AblationConfig, ListOfSequences | None, list[ClosedLoopSpec]]] = []

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Jobs are kept apart from the plan."""
        book, self.book = self.book, JobBook(self._config.scheduling)
        try:
            yield
        finally:
            self.book = book

    def data_of(self, arm: Arm) -> tuple[DataJobs, DataJobs]:
        """What it is trained on, and what it is judged on. What is the ablation's own has no name in its labels."""
        found = []
        for settings in (arm.config, arm.judged):
            which = DataJobs.settings(settings)
            if which not in self._data:
                own = which == DataJobs.settings(self._config)
                self._data[which] = DataJobs(self.book, settings, "" if own else arm.name)
            found.append(self._data[which])
        return found[0], found[1]

    def trained(self, ref: RunRef, arm: Arm) -> str:
        trained_on, _ = self.data_of(arm)
        needs = trained_on.reads(TRAINING)
        if arm.method.pretrained:
            data = trained_on.reads(PRETRAINING)
            needs.append(Dependency(self._train(PRETRAIN, ref, arm, arm.config.pretraining, data), "init"))
        return self._train(TRAIN, ref, arm, arm.config.training, needs)

    def _train(
        self,
        kind: Kind[TrainSpec, TrainResult],
        ref: RunRef,
        arm: Arm,
        settings: Training,
        needs: Sequence[Dependency],
    ) -> str:
        data = arm.config.data
        trained_on, judged_on = self.data_of(arm)
        frames = self.recording(data, PRETRAINING if kind is PRETRAIN else TRAINING)
        if settings.early_stopping is not None or settings.open_loop is not None:
            needs = [*needs, *judged_on.reads(VALIDATION, "validation")]
        model = self.model(arm, settings)
        place = "pretraining" if kind is PRETRAIN else "training"
        spec = TrainSpec(
            model=model,
            training=planned_stage(settings, place, model.config, self._in_few),
            seed=ref.seed,
            slice_seconds=settings.slice_seconds,
            drawn_by=frames.renderer,
            drawn_basis=frames.basis,
            losses=frames.losses,
        )
        label = f"train {ref.arm} seed {ref.seed}" if kind is TRAIN else f"pretrain seed {ref.seed}"
        if kind is PRETRAIN and trained_on.pretrains_on_training_data:
            label += " on the training data"
        return self.book.add(kind, label, spec, needs, ref, target_steps=settings.steps)

    def judge(self, ref: RunRef, train: str, arm: Arm) -> list[str]:
        """Evaluation and attention of one run."""
        name, evaluation = f"{ref.arm} seed {ref.seed}", arm.judged.evaluation
        threads, precision = evaluation.threads, judged_in(evaluation, arm.config.training)
        model = self.model(arm, arm.config.training)
        trained_on, judged_on = self.data_of(arm)
        both = [Dependency(train, "checkpoint"), *judged_on.reads(VALIDATION)]
        # Held-out losses of a run are measured on the same frames while it is trained, as both stand in one report.
        measured = arm.config.training.open_loop or arm.config.training.early_stopping
        open_loop = OpenLoopSpec(
            mode="open_loop",
            frames=None if measured is None else measured.frames,
            jpeg=arm.config.model.official_compat,
            model=model,
            threads=threads,
            precision=precision,
        )
        looked_at = LookedAt(**arm.judged.attention.model_dump())
        attention = AttentionSpec(attention=looked_at, model=model, threads=threads, precision=precision)
        ends = [
            self.book.add(EVALUATE, f"open-loop error {name}", open_loop, both, ref),
            self.book.add(ATTENTION, f"attention {name}", attention, both, ref),
        ]
        if arm.method.reconstruction != "none":
            shown = ReconstructSpec(seed=ref.seed, model=model, threads=threads, precision=precision)
            ends.append(self.book.add(RECONSTRUCT, f"reconstructions {name}", shown, both, ref))
        if arm.judged.has_closed_loop:
            shards = [
                replace(
                    self._trained_with(shard, arm),
                    policy="reconvla",
                    seed=None,
                    videos=evaluation.videos,
                    model=model,
                    precision=precision,
                    gaze=trained_on.detector if arm.method.grounding == "crop" else None,
                )
                for shard in self.shards_of(arm.name, arm.judged)
            ]
            ends += self.closed_loop(name, ref, shards, [Dependency(train, "checkpoint")])
        return ends

    def _trained_with(self, shard: ClosedLoopSpec, arm: Arm) -> ClosedLoopSpec:
        """With what shards say of the training frames, where the arm has others than those it is judged with."""
        if arm.config.data == arm.judged.data:
            return shard
        frames = self.recording(arm.config.data)
        return replace(
            shard,
            frames_renderer=frames.renderer,
            frames_basis=frames.basis,
            frames_scenes=frames.scenes,
            frames_losses=frames.losses,
            untrained_tasks=tuple(untrained_tasks(arm.config, asked_tasks(arm.judged))),
        )

    def shards_of(self, row: str | None, config: AblationConfig) -> list[ClosedLoopSpec]:
        """Of a row of the table (None: the baseline of random actions) that is judged by `config`."""
        wanted = self._sequences_in.of(row, config)
        for known, list_there, shards in self._shards:
            if (known, list_there) == (config, wanted):
                return shards
        shards = list(closed_loop_shards(config, lambda: self.recording(config.data), wanted))
        self._shards.append((config, wanted, shards))
        return shards

    def recording(self, data: Data, purpose: SplitName = TRAINING) -> Recording:
        """Looked up once for each dataset: frames may be drawn for it."""
        which = place_of(data, purpose), reading_of(data, purpose)
        if which not in self._recordings:
            self._recordings[which] = frames_recording(self._config, data, purpose)
        return self._recordings[which]

    def closed_loop(
        self, name: str, ref: RunRef | None, shards: Sequence[ClosedLoopSpec], needs: Sequence[Dependency]
    ) -> list[str]:
        keys = []
        for shard in shards:
            label = f"evaluate {name} sequences {shard.first}-{shard.last - 1}"
            steps = shard.last - shard.first
            keys.append(self.book.add(EVALUATE, label, shard, needs, ref, target_steps=steps))
        return keys

    def model(self, arm: Arm, settings: Training) -> ModelSpec:
        trained_on, judged_on = self.data_of(arm)
        phrases = sorted(trained_on.instructions() | judged_on.corpus(VALIDATION).instructions)
        model, weight = arm.config.model, settings.reconstruction_weight
        if weight == 0 and arm.method.reconstruction != "none":
            stage = "training" if settings is arm.config.training else "pretraining"
            raise ConfigError(
                f"{stage}.reconstruction_weight: with 0 nothing is reconstructed; an arm without it has "
                "method.reconstruction: none"
            )
        asked = model.model_dump_json(), arm.method, weight, tuple(phrases)
        if asked not in self._models:
            folders = self.folders[model.backbones]
            self._models[asked] = planned_model(model, folders, arm.method, weight, phrases)
        return self._models[asked]


@contextmanager
def of_arm(arm: Arm) -> Iterator[None]:
    """What is wrong with the settings of an arm that has some of its own is told with its name."""
    try:
        yield
    except (ConfigError, DatasetError) as error:
        if arm.name in built_in() or str(error).startswith("arms."):
            raise
        raise type(error)(f"arms.{arm.name}: {error}") from None
