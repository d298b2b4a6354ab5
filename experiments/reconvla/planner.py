"""From a configuration to the jobs of an ablation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product

from calvin.split import TRAINING, VALIDATION, Reading, Recording, check_place
from db.plans import Dependency, Plan, RunRef
from errors import ConfigError, DatasetError
from experiments.reconvla.alike import check_distinct, check_needed, in_plain_words, plain_policy
from experiments.reconvla.arms import Arm, arms_of, built_in, check_names, check_new
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.count_jobs import check_jobs
from experiments.reconvla.data_jobs import DataJobs
from experiments.reconvla.demonstrations import (
    PRETRAINING,
    known_tasks,
    place_of,
    reading_of,
    shared,
)
from experiments.reconvla.evaluation_plan import (
    NO_SIMULATOR,
    KeptLists,
    ListOfSequences,
    asked_tasks,
    closed_loop_shards,
    frames_recording,
    untrained_tasks,
)
from experiments.reconvla.hub_data import local
from experiments.reconvla.hub_needs import absent
from experiments.reconvla.job_book import JobBook, digest
from experiments.reconvla.model_plan import (
    backbone_folders,
    check_attention,
    judged_in,
    planned_model,
    planned_stage,
)
from experiments.reconvla.plan_warnings import judged_on_trained, never_shown
from experiments.reconvla.planning import fetched_first
from experiments.reconvla.rows import row_shards
from experiments.reconvla.sections import Backbones, Data, Gaze, Method, Training
from models.spec import Folder, ModelSpec
from settings.own_code import admitted_in
from settings.uncollected import uncollected
from tasks.kind import Kind
from tasks.registry import ATTENTION, EVALUATE, PRETRAIN, RECONSTRUCT, REPORT, TRAIN
from tasks.results import TrainResult
from tasks.specs import (
    AttentionSpec,
    ClosedLoopSpec,
    LookedAt,
    OpenLoopSpec,
    ReconstructSpec,
    ReportSpec,
    SplitName,
    TrainSpec,
)


class Planner:
    """Plans each arm with its own settings; work that arms share is the same jobs, as their keys are equal."""

    def __init__(
        self, config: AblationConfig, sequences_in: KeptLists | None = None, there: Collection[str] = ()
    ) -> None:
        """sequences_in: the lists and cuts of an ablation that grows; None: those of a new one. there: rows that it has
        already, which are planned as they are."""
        self._config = config
        self._there = there
        self._sequences_in = sequences_in or KeptLists()
        self._book = JobBook(config.scheduling)
        self._data: dict[tuple[Data, Gaze, bool], DataJobs] = {}
        self._recordings: dict[tuple[str | None, Reading], Recording] = {}
        self._folders: dict[Backbones, dict[str, Folder]] = {}
        self._models: dict[tuple[str, Method, float, tuple[str, ...]], ModelSpec] = {}
        self._shards: list[tuple[AblationConfig, ListOfSequences | None, list[ClosedLoopSpec]]] = []

    @uncollected()
    def plan(self) -> Plan:
        """Raises ConfigError or DatasetError for what cannot work; nothing is written by planning."""
        config = self._config
        check_names(config)
        arms = arms_of(config)
        if config.adaptive is not None:
            from experiments.reconvla.adaptive import (
                check_adaptive,  # on use: scipy takes longer than all else
                check_planned,
            )

            check_adaptive(config, arms)
            check_planned(config)
        check_jobs(config)
        known_tasks(config.data)
        if missing := absent(config):
            return fetched_first(config, missing)
        if config.data.root is not None:
            check_place(local(config.data.root), TRAINING)
        for arm in arms:
            with _of(arm):
                if arm.config.data.root not in (None, config.data.root):
                    check_place(local(str(arm.config.data.root)), TRAINING)
        for backbones in dict.fromkeys([config.model.backbones, *(a.config.model.backbones for a in arms)]):
            self._folders[backbones] = backbone_folders(backbones)
        closed_loop = config.has_closed_loop
        if closed_loop:
            self._shards_of(
                None, config
            )  # what cannot be evaluated is refused before the frames are looked at
        elif config.policies:
            name = next(iter(config.policies))
            raise ConfigError(f"arms.{name}.policy: it is judged in closed loop alone; {NO_SIMULATOR}")
        for arm in arms:
            with _of(arm):
                self._data_of(arm)
        for arm in arms:
            with _of(arm):
                check_attention(self._model(arm, arm.config.training).config, arm.judged.attention)
        indexes = self._indexes(arms)

        training: dict[RunRef, str] = {}
        ends: list[str] = []
        made: dict[str, list[str]] = {}  # row -> what it is made of
        for seed, arm in product(config.all_seeds, arms):
            if seed in config.seeds_of(arm.name):
                ref = RunRef(arm.name, seed)
                with _of(arm):
                    training[ref] = self._trained(ref, arm)
                    judged = self._judge(ref, training[ref], arm)
                made.setdefault(arm.name, [training[ref], *judged])
                ends += judged
        for name in config.policies:
            ref = RunRef(name, config.all_seeds[0])
            keys = self._closed_loop(name, ref, row_shards(config, name, self._shards_of(name, config)), [])
            training[ref] = keys[0]
            made[name] = keys
            ends += keys
        if closed_loop and config.evaluation.random_baseline:
            ends += self._closed_loop("random", None, self._shards_of(None, config), [])
        results = list(dict.fromkeys([*ends, *indexes]))
        stored = config.model_dump(mode="json")
        key = digest({"config": stored, "results": results})
        needs = [Dependency(result, "result") for result in results]
        not_held_out = self._not_held_out(config.data, arms)
        by_row = {
            arm.name: self._not_held_out(arm.judged.data, arms)
            for arm in arms
            if arm.judged.data.validated_on != config.data.validated_on
        }
        left_out = self._left_out(arms)
        report = ReportSpec(
            ablation=key,
            not_held_out=not_held_out,
            not_held_out_of=by_row or None,
            left_out=left_out,
        )
        self._book.add(REPORT, "report", report, needs)
        warnings = [f"not of {of}: {one}" for of, told in (left_out or {}).items() for one in told]
        warnings += judged_on_trained({"": not_held_out, **by_row})
        if closed_loop:
            warnings += never_shown(self._shards_of(None, config))
        code = admitted_in(stored)
        jobs = self._book.jobs
        self._check_rows(arms, made)
        return Plan(key, config.name, stored, jobs, training, tuple(warnings), code, config.is_open)

    def _check_rows(self, arms: Sequence[Arm], made: Mapping[str, Sequence[str]]) -> None:
        """made: keys of the jobs of each row. Plans rows otherwise, so nothing is planned after it.

        Raises ConfigError for rows that come to the same, and for a new one with a setting that changes nothing in it.
        """
        config, meant = self._config, dict(made)
        for arm in arms:
            if (plain := self._in_plain_words(arm)) is not arm:
                meant[arm.name] = self._tried(plain, config.seeds_of(arm.name))
        for name, row in config.policies.items():
            if (plain_row := plain_policy(row, f"arms.{name}")) is not row:
                said = config.model_copy(update={"arms": {name: plain_row}})
                shards = row_shards(said, name, self._shards_of(name, config))
                with self._aside():
                    meant[name] = self._closed_loop(name, None, shards, [])
        check_distinct(meant, self._there)
        new = [arm for arm in arms if arm.name not in self._there]
        for arm in new:
            check_new(arm)
        own = {name: keys[: len(keys) // max(len(config.seeds_of(name)), 1)] for name, keys in meant.items()}
        check_needed(
            config, new, own, lambda arm: self._tried(self._in_plain_words(arm), config.all_seeds[:1])
        )

    def _in_plain_words(self, arm: Arm) -> Arm:
        return in_plain_words(arm, self._model(arm, arm.config.training).config)

    def _tried(self, arm: Arm, seeds: Sequence[int]) -> list[str]:
        """Keys of the jobs that the runs of an arm would be, which are not planned."""
        found = []
        with self._aside():
            for ref in (RunRef(arm.name, seed) for seed in seeds):
                train = self._trained(ref, arm)
                found += [train, *self._judge(ref, train, arm)]
        return found

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Jobs are kept apart from the plan."""
        book, self._book = self._book, JobBook(self._config.scheduling)
        try:
            yield
        finally:
            self._book = book

    def _data_of(self, arm: Arm) -> tuple[DataJobs, DataJobs]:
        """What it is trained on, and what it is judged on. What is the ablation's own has no name in its labels."""
        found = []
        for settings in (arm.config, arm.judged):
            which = DataJobs.settings(settings)
            if which not in self._data:
                own = which == DataJobs.settings(self._config)
                self._data[which] = DataJobs(self._book, settings, "" if own else arm.name)
            found.append(self._data[which])
        return found[0], found[1]

    def _indexes(self, arms: Sequence[Arm]) -> list[str]:
        """Jobs of all demonstrations that the arms read; by their purposes, as keys of reports hold the order."""
        found: list[str] = []
        for arm in arms:
            trained_on, judged_on = self._data_of(arm)
            with _of(arm):
                found += [trained_on.index(TRAINING), judged_on.index(VALIDATION)]
        for arm in arms:
            if arm.method.pretrained:
                with _of(arm):
                    found.append(self._data_of(arm)[0].index(PRETRAINING))
        return list(dict.fromkeys(found))

    def _not_held_out(self, own: Data, arms: Sequence[Arm]) -> int:
        """For the report: how many validation demonstrations of a dataset were trained on too."""
        if own.validated_on is None:
            return 0
        trained = [(own.root, reading_of(own, TRAINING))]
        for arm in arms:
            data = arm.config.data
            trained.append((data.root, reading_of(data, TRAINING)))
            if arm.method.pretrained:
                trained.append((data.pretrained_on, reading_of(data, PRETRAINING)))
        known = ((local(root), reading) for root, reading in dict.fromkeys(trained) if root is not None)
        return shared((local(own.validated_on), reading_of(own, VALIDATION)), known)

    def _left_out(self, arms: Sequence[Arm]) -> dict[str, tuple[str, ...]] | None:
        """For the report: by purpose what of the datasets is not used, and why; None where all is."""
        found: dict[str, dict[str, None]] = {}
        for arm in arms:
            trained_on, judged_on = self._data_of(arm)
            corpora = {TRAINING: trained_on.corpus(TRAINING), VALIDATION: judged_on.corpus(VALIDATION)}
            if arm.method.pretrained:
                corpora[PRETRAINING] = trained_on.corpus(PRETRAINING)
            for purpose, corpus in corpora.items():
                found.setdefault(purpose, {}).update(dict.fromkeys(corpus.left_out))
        return {purpose: tuple(told) for purpose, told in found.items() if told} or None

    def _trained(self, ref: RunRef, arm: Arm) -> str:
        trained_on, _ = self._data_of(arm)
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
        trained_on, judged_on = self._data_of(arm)
        frames = self._recording(data, PRETRAINING if kind is PRETRAIN else TRAINING)
        if settings.early_stopping is not None or settings.open_loop is not None:
            needs = [*needs, *judged_on.reads(VALIDATION, "validation")]
        model = self._model(arm, settings)
        place = "pretraining" if kind is PRETRAIN else "training"
        spec = TrainSpec(
            model=model,
            training=planned_stage(settings, place, model.config),
            seed=ref.seed,
            slice_seconds=settings.slice_seconds,
            drawn_by=frames.renderer,
            drawn_basis=frames.basis,
            losses=frames.losses,
        )
        label = f"train {ref.arm} seed {ref.seed}" if kind is TRAIN else f"pretrain seed {ref.seed}"
        if kind is PRETRAIN and trained_on.pretrains_on_training_data:
            label += " on the training data"
        return self._book.add(kind, label, spec, needs, ref, target_steps=settings.steps)

    def _judge(self, ref: RunRef, train: str, arm: Arm) -> list[str]:
        """Evaluation and attention of one run."""
        name, evaluation = f"{ref.arm} seed {ref.seed}", arm.judged.evaluation
        threads, precision = evaluation.threads, judged_in(evaluation, arm.config.training)
        model = self._model(arm, arm.config.training)
        trained_on, judged_on = self._data_of(arm)
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
            self._book.add(EVALUATE, f"open-loop error {name}", open_loop, both, ref),
            self._book.add(ATTENTION, f"attention {name}", attention, both, ref),
        ]
        if arm.method.reconstruction != "none":
            shown = ReconstructSpec(seed=ref.seed, model=model, threads=threads, precision=precision)
            ends.append(self._book.add(RECONSTRUCT, f"reconstructions {name}", shown, both, ref))
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
                for shard in self._shards_of(arm.name, arm.judged)
            ]
            ends += self._closed_loop(name, ref, shards, [Dependency(train, "checkpoint")])
        return ends

    def _trained_with(self, shard: ClosedLoopSpec, arm: Arm) -> ClosedLoopSpec:
        """With what shards say of the training frames, where the arm has others than those it is judged with."""
        if arm.config.data == arm.judged.data:
            return shard
        frames = self._recording(arm.config.data)
        return replace(
            shard,
            frames_renderer=frames.renderer,
            frames_basis=frames.basis,
            frames_scenes=frames.scenes,
            frames_losses=frames.losses,
            untrained_tasks=tuple(untrained_tasks(arm.config, asked_tasks(arm.judged))),
        )

    def _shards_of(self, row: str | None, config: AblationConfig) -> list[ClosedLoopSpec]:
        """Of a row of the table (None: the baseline of random actions) that is judged by `config`."""
        wanted = self._sequences_in.of(row, config)
        for known, list_there, shards in self._shards:
            if (known, list_there) == (config, wanted):
                return shards
        shards = list(closed_loop_shards(config, lambda: self._recording(config.data), wanted))
        self._shards.append((config, wanted, shards))
        return shards

    def _recording(self, data: Data, purpose: SplitName = TRAINING) -> Recording:
        """Looked up once for each dataset: frames may be drawn for it."""
        which = place_of(data, purpose), reading_of(data, purpose)
        if which not in self._recordings:
            self._recordings[which] = frames_recording(self._config, data, purpose)
        return self._recordings[which]

    def _closed_loop(
        self, name: str, ref: RunRef | None, shards: Sequence[ClosedLoopSpec], needs: Sequence[Dependency]
    ) -> list[str]:
        keys = []
        for shard in shards:
            label = f"evaluate {name} sequences {shard.first}-{shard.last - 1}"
            steps = shard.last - shard.first
            keys.append(self._book.add(EVALUATE, label, shard, needs, ref, target_steps=steps))
        return keys

    def _model(self, arm: Arm, settings: Training) -> ModelSpec:
        trained_on, judged_on = self._data_of(arm)
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
            folders = self._folders[model.backbones]
            self._models[asked] = planned_model(model, folders, arm.method, weight, phrases)
        return self._models[asked]


@contextmanager
def _of(arm: Arm) -> Iterator[None]:
    """What is wrong with the settings of an arm that has some of its own is told with its name."""
    try:
        yield
    except (ConfigError, DatasetError) as error:
        if arm.name in built_in() or str(error).startswith("arms."):
            raise
        raise type(error)(f"arms.{arm.name}: {error}") from None
