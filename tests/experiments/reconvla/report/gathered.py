"""The report of an ablation in a home, as a worker or a command has it gathered."""

from __future__ import annotations

from db.engine import Database
from db.store import ArtifactStore
from experiments.reconvla.report.gather import gather
from reports.data import ReportData
from workers.records import found_in, records_of


def gather_report(database: Database, store: ArtifactStore, ablation: str | None) -> ReportData:
    """ablation: id, name or key; None for the newest."""
    return gather(records_of(database, ablation), found_in(store))
