"""TensorBoard event files, written from the rows: one folder per run, current to its last checkpoint."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from tensorboardX import SummaryWriter

from db import progress, queries
from db.engine import Database
from settings.home import Home
from settings.shown import as_file_name


def event_folder(home: Home) -> Path:
    """What TensorBoard is pointed at."""
    return home.logs / "tensorboard"


class EventFiles:
    """Call `update` now and then. One process writes to a folder at a time; it writes every run anew once,
    so that neither a restart nor a damaged file leaves gaps or doubled points."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._database = database
        self._folder = folder
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._locked = False
        self._writers: dict[Path, SummaryWriter] = {}
        self._last_step: dict[tuple[Path, str], int] = {}

    def update(self) -> int:
        """Append what was measured since. Returns how many points; 0 while another process writes."""
        if not self._locked:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return 0
            self._locked = True
        written = 0
        for run in progress.runs_with_ablations(self._database):
            folder = (
                self._folder
                / f"{run.ablation_id}-{as_file_name(run.ablation)}"
                / f"{as_file_name(run.arm)}-seed{run.seed}"
            )
            for point in queries.metrics_of(self._database, run.train_job_id):
                # A run that fell back to an older checkpoint measures the same values again.
                if point.step > self._last_step.get((folder, point.name), -1):
                    self._writer(folder).add_scalar(point.name, point.value, point.step, walltime=point.at)
                    self._last_step[folder, point.name] = point.step
                    written += 1
        for writer in self._writers.values():
            writer.flush()
        return written

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        os.close(self._lock)

    def _writer(self, folder: Path) -> SummaryWriter:
        if folder not in self._writers:
            shutil.rmtree(folder, ignore_errors=True)
            self._writers[folder] = SummaryWriter(str(folder), write_to_disk=True)
        return self._writers[folder]
