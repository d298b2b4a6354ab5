"""From a configuration to the jobs of an ablation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import product

from calvin.split import TRAINING, VALIDATION, check_place
from db.plans import Dependency, Plan, RunRef
from errors import ConfigError
from experiments.reconvla.alike import check_distinct, check_needed, in_plain_words, plain_policy
from experiments.reconvla.arms import Arm, arms_of, check_names, check_new
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.count_jobs import check_jobs
from experiments.reconvla.demonstrations import (
    PRETRAINING,
    known_tasks,
    reading_of,
    shared,
)
from experiments.reconvla.evaluation_plan import (
    NO_SIMULATOR,
    KeptLists,
)
from experiments.reconvla.hub_data import local
from experiments.reconvla.hub_needs import absent
from experiments.reconvla.job_book import digest
from experiments.reconvla.model_plan import (
    backbone_folders,
    check_attention,
    check_devices,
)
from experiments.reconvla.plan_warnings import judged_on_trained, never_shown, short_slices
from experiments.reconvla.planning import fetched_first
from experiments.reconvla.rows import row_shards
from experiments.reconvla.run_jobs import RunJobs, of_arm
from experiments.reconvla.sections import Data
from settings.own_code import admitted_in
from settings.uncollected import uncollected
from tasks.registry import REPORT
from tasks.specs import (
    ReportSpec,
)


class Planner:
    """Plans each arm with its own settings; work that arms share is the same jobs, as their keys are equal."""

    def __init__(
        self,
        config: AblationConfig,
        sequences_in: KeptLists | None = None,
        there: Collection[str] = (),
        in_few: bool = True,
    ) -> None:
        """sequences_in: the lists and cuts of an ablation that grows; None: those of a new one. there: rows that it has
        already, which are planned as they are. in_few: as `experiments.reconvla.growth.in_few_operations`."""
        self._config = config
        self._there = there
        self._runs = RunJobs(config, sequences_in or KeptLists(), in_few)

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
        for arm in arms:  # as with all that needs no data: told before they are looked for
            with of_arm(arm):
                check_devices(arm.config.training, "training")
                if arm.method.pretrained:
                    check_devices(arm.config.pretraining, "pretraining")
        if missing := absent(config):
            return fetched_first(config, missing)
        if config.data.root is not None:
            check_place(local(config.data.root), TRAINING)
        for arm in arms:
            with of_arm(arm):
                if arm.config.data.root not in (None, config.data.root):
                    check_place(local(str(arm.config.data.root)), TRAINING)
        for backbones in dict.fromkeys([config.model.backbones, *(a.config.model.backbones for a in arms)]):
            self._runs.folders[backbones] = backbone_folders(backbones)
        closed_loop = config.has_closed_loop
        if closed_loop:
            self._runs.shards_of(
                None, config
            )  # what cannot be evaluated is refused before the frames are looked at
        elif config.policies:
            name = next(iter(config.policies))
            raise ConfigError(f"arms.{name}.policy: it is judged in closed loop alone; {NO_SIMULATOR}")
        for arm in arms:
            with of_arm(arm):
                self._runs.data_of(arm)
        for arm in arms:
            with of_arm(arm):
                check_attention(self._runs.model(arm, arm.config.training).config, arm.judged.attention)
        indexes = self._indexes(arms)

        training: dict[RunRef, str] = {}
        ends: list[str] = []
        made: dict[str, list[str]] = {}  # row -> what it is made of
        for seed, arm in product(config.all_seeds, arms):
            if seed in config.seeds_of(arm.name):
                ref = RunRef(arm.name, seed)
                with of_arm(arm):
                    training[ref] = self._runs.trained(ref, arm)
                    judged = self._runs.judge(ref, training[ref], arm)
                made.setdefault(arm.name, [training[ref], *judged])
                ends += judged
        for name in config.policies:
            ref = RunRef(name, config.all_seeds[0])
            keys = self._runs.closed_loop(
                name, ref, row_shards(config, name, self._runs.shards_of(name, config)), []
            )
            training[ref] = keys[0]
            made[name] = keys
            ends += keys
        if closed_loop and config.evaluation.random_baseline:
            ends += self._runs.closed_loop("random", None, self._runs.shards_of(None, config), [])
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
        self._runs.book.add(REPORT, "report", report, needs)
        warnings = [f"not of {of}: {one}" for of, told in (left_out or {}).items() for one in told]
        warnings += judged_on_trained({"": not_held_out, **by_row})
        if closed_loop:
            warnings += never_shown(self._runs.shards_of(None, config))
        stages = {"training": config.training}
        if any(arm.method.pretrained for arm in arms):
            stages["pretraining"] = config.pretraining
        warnings += short_slices(stages)
        code = admitted_in(stored)
        jobs = self._runs.book.jobs
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
                shards = row_shards(said, name, self._runs.shards_of(name, config))
                with self._runs.aside():
                    meant[name] = self._runs.closed_loop(name, None, shards, [])
        check_distinct(meant, self._there)
        new = [arm for arm in arms if arm.name not in self._there]
        for arm in new:
            check_new(arm)
        own = {name: keys[: len(keys) // max(len(config.seeds_of(name)), 1)] for name, keys in meant.items()}
        check_needed(
            config, new, own, lambda arm: self._tried(self._in_plain_words(arm), config.all_seeds[:1])
        )

    def _in_plain_words(self, arm: Arm) -> Arm:
        return in_plain_words(arm, self._runs.model(arm, arm.config.training).config)

    def _tried(self, arm: Arm, seeds: Sequence[int]) -> list[str]:
        """Keys of the jobs that the runs of an arm would be, which are not planned."""
        found = []
        with self._runs.aside():
            for ref in (RunRef(arm.name, seed) for seed in seeds):
                train = self._runs.trained(ref, arm)
                found += [train, *self._runs.judge(ref, train, arm)]
        return found

    def _indexes(self, arms: Sequence[Arm]) -> list[str]:
        """Jobs of all demonstrations that the arms read; by their purposes, as keys of reports hold the order."""
        found: list[str] = []
        for arm in arms:
            trained_on, judged_on = self._runs.data_of(arm)
            with of_arm(arm):
                found += [trained_on.index(TRAINING), judged_on.index(VALIDATION)]
        for arm in arms:
            if arm.method.pretrained:
                with of_arm(arm):
                    found.append(self._runs.data_of(arm)[0].index(PRETRAINING))
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
            trained_on, judged_on = self._runs.data_of(arm)
            corpora = {TRAINING: trained_on.corpus(TRAINING), VALIDATION: judged_on.corpus(VALIDATION)}
            if arm.method.pretrained:
                corpora[PRETRAINING] = trained_on.corpus(PRETRAINING)
            for purpose, corpus in corpora.items():
                found.setdefault(purpose, {}).update(dict.fromkeys(corpus.left_out))
        return {purpose: tuple(told) for purpose, told in found.items() if told} or None
