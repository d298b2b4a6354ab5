"""Ranks of a divided job as processes beside each other, for benchmarks and trials."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from benchmarks.builds import ROOT


def run_ranks(command: Sequence[str], ranks: int) -> None:
    """`command` once for each rank, with its number behind it. Raises SystemExit where one of them fails; none is
    left."""
    processes = [subprocess.Popen([*command, str(rank)], cwd=ROOT) for rank in range(ranks)]
    try:
        if codes := [code for process in processes if (code := process.wait())]:
            raise SystemExit(f"ranks ended with {codes}")
    finally:
        for process in processes:
            process.kill()
