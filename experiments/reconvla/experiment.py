"""ReconVLA's ablation, as `experiments.registry.Experiment`. What takes long to import is imported on use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reconvla.config import AblationConfig

if TYPE_CHECKING:
    from db.plans import Plan
    from reports.data import ReportData
    from tasks.records import Find, Records


class _ReconVLA:
    config_class = AblationConfig

    def plan(self, config: AblationConfig) -> Plan:
        from experiments.reconvla.planner import Planner

        return Planner(config).plan()

    def gather(self, records: Records, find: Find) -> ReportData:
        from experiments.reconvla.report.gather import gather

        return gather(records, find)


RECONVLA = _ReconVLA()
