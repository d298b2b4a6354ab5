"""ReconVLA's ablation, as `experiments.registry.Experiment`. What takes long to import is imported on use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from experiments.reconvla.config import AblationConfig
from experiments.reconvla.report.metric import TASKS_IN_A_ROW

if TYPE_CHECKING:
    from pathlib import Path

    from db.plans import Plan
    from experiments.design.decision import ArmDecision
    from experiments.design.design import Design
    from experiments.registry import Allowed, TakenOver, Written
    from reports.data import ReportData
    from settings.json_values import JsonObject
    from tasks.records import Find, JobRecord, Records


class _ReconVLA:
    config_class = AblationConfig
    #: Kinds of job whose parameters decide how an ablation that grows is planned.
    kept_kinds = ("evaluate", "train", "pretrain")
    judging_kinds = ("evaluate",)
    metric = TASKS_IN_A_ROW

    def plan(self, config: AblationConfig, kept: Iterable[tuple[str | None, JsonObject]] = ()) -> Plan:
        from experiments.reconvla.adaptive import prepared
        from experiments.reconvla.growth import in_few_operations, kept_lists
        from experiments.reconvla.planner import Planner

        config, kept = prepared(config), list(kept)
        there = {row for row, _ in kept if row is not None}
        return Planner(config, kept_lists(config, kept), there, in_few_operations(kept)).plan()

    def load(self, written: Written) -> AblationConfig:
        from experiments.reconvla.named_config import load_config

        return load_config(
            written.preset or (None if written.file else "quick"),
            written.file,
            tuple(written.overrides),
            vary=written.vary,
            vary_with=written.vary_with,
            vary_before=written.vary_before,
            arms=written.arms,
            seeds=written.seeds,
            data__root=written.data,
            name=written.name,
        )

    def of_machine(
        self, config: AblationConfig, what: Literal["devices", "threads", "nodes"]
    ) -> Mapping[str, int]:
        from experiments.reconvla.arms import of_stages

        return of_stages(config, what)

    def room_to_fetch(self, config: AblationConfig, home: Path) -> str | None:
        from experiments.reconvla.hub_needs import told_room

        return told_room(config, home)

    def taken_over(self, settings: JsonObject, allowed: Allowed) -> TakenOver:
        from experiments.reconvla.foreign import taken_over

        return taken_over(settings, allowed)

    def reaching_out(self, settings: JsonObject) -> list[str]:
        from experiments.reconvla.foreign import reaching_out

        return reaching_out(settings)

    def pinned(self, config: AblationConfig, known: Iterable[JsonObject]) -> AblationConfig:
        from experiments.reconvla.hub_data import pinned

        return pinned(config, known)

    def grown(self, there: AblationConfig, asked: AblationConfig) -> AblationConfig:
        from experiments.reconvla.growth import grown

        return grown(there, asked)

    def told(self, there: AblationConfig, whole: AblationConfig, asked: AblationConfig) -> list[str]:
        from experiments.reconvla.growth import told

        return told(there, whole, asked)

    def rows(self, config: AblationConfig) -> list[JsonObject]:
        from experiments.reconvla.shown_rows import rows_of

        return rows_of(config)

    def design(self, config: AblationConfig) -> Design | None:
        from experiments.reconvla.judged import design_of

        return design_of(config)

    def next_round(self, config: AblationConfig, decisions: Sequence[ArmDecision]) -> AblationConfig:
        from experiments.reconvla.adaptive import next_round

        return next_round(config, decisions)

    def results(self, jobs: Sequence[JobRecord]) -> Mapping[tuple[str, int], tuple[int, ...]]:
        from experiments.reconvla.judged import results_of

        return results_of(jobs)

    def gather(self, records: Records, find: Find) -> ReportData:
        from experiments.reconvla.report.gather import gather

        return gather(records, find)

    def gather_together(self, ablations: Sequence[Records]) -> ReportData:
        from experiments.reconvla.report.together import gather_together

        return gather_together(ablations)


RECONVLA = _ReconVLA()
