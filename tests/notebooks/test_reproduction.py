"""The notebook runs from top to bottom, twice: the second machine goes on where the first one stopped."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.processes import environment
from tests.support import REPOSITORY

NOTEBOOK = REPOSITORY / "notebooks" / "ReconVLA_Reproduction.ipynb"

#: Every part of an ablation, as small as it gets.
TINY = ["--preset", "smoke", "--arms", "recon", "--cpus", "1", "--set", "training.steps=6",
        "--set", "evaluation.sequences=2", "--set", "evaluation.max_steps=5"]  # fmt: skip


def code_into(folder: Path) -> None:
    """The repository as an attached dataset, without what only its developers need."""
    ignored = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", "baton-home", "tests", ".hypothesis",
                                     "*.egg-info")  # fmt: skip
    shutil.copytree(REPOSITORY, folder / "baton-code", ignore=ignored)


def execute(inputs: Path, work: Path, limit: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run all cells with these parameters. Returns everything they printed."""
    work.mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (parameters,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    parameters.source = "\n".join(
        [
            "from pathlib import Path",
            f"INPUT = Path({str(inputs)!r})",
            f"WORK = Path({str(work)!r})",
            f"HOME = Path({str(work / 'baton-home')!r})",
            f"SESSION_LIMIT = {limit!r}",
            f"OPTIONS = {TINY!r}",
        ]
    )
    # So short a session would end before it began with the usual margin of half a minute.
    for name, value in environment(BATON_QUEUE_DEADLINE_MARGIN_SECONDS="5").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    NotebookClient(
        notebook, timeout=1100, kernel_name="python3", resources={"metadata": {"path": str(work)}}
    ).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs), "the table is shown"
    assert (work / "report" / "report.html").exists(), "the report is kept"
    return "".join(output.get("text", "") for output in outputs)


def rows(work: Path, statement: str) -> list[tuple]:
    with sqlite3.connect(work / "baton-home" / "state.db") as connection:
        return connection.execute(statement).fetchall()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_second_session_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = tmp_path / "input"
    code_into(inputs)
    first = execute(inputs, tmp_path / "first", "25s", monkeypatch)
    assert "a fresh start" in first and "no CALVIN data attached" in first
    assert (tmp_path / "first" / "reconvla.baton").exists()
    done_first = set(rows(tmp_path / "first", "SELECT key FROM job WHERE state = 'succeeded'"))

    # Another machine: only the attached files are there.
    (inputs / "last-session").mkdir()
    shutil.move(tmp_path / "first" / "reconvla.baton", inputs / "last-session" / "reconvla.baton")
    shutil.rmtree(tmp_path / "first")
    second = execute(inputs, tmp_path / "second", "2h", monkeypatch)
    assert "a fresh start" not in second and "finished" in second
    assert "of the attention in the gaze region" in second
    assert rows(tmp_path / "second", "SELECT DISTINCT state FROM job") == [("succeeded",)]
    again = rows(
        tmp_path / "second",
        "SELECT job.key FROM attempt JOIN job ON job.id = attempt.job_id "
        "WHERE attempt.outcome = 'succeeded' GROUP BY job.id HAVING count(*) > 1",
    )
    assert not again, "nothing that was done is done again"
    assert done_first <= set(rows(tmp_path / "second", "SELECT key FROM job WHERE state = 'succeeded'"))


def test_the_notebook_is_clean() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            compile(cell.source, str(NOTEBOOK), "exec")
