"""The notebook runs from top to bottom, twice: the second machine goes on where the first one stopped."""

from __future__ import annotations

import importlib.util
import shutil
import sqlite3
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import cli
from tests.processes import environment
from tests.support import REPOSITORY

NOTEBOOK = REPOSITORY / "notebooks" / "ReconVLA_Reproduction.ipynb"

#: Every part of an ablation, as small as it gets.
TINY = [
    "--preset", "smoke", "--arms", "recon", "--cpus", "1", "--set", "training.steps=6",
    "--set", "evaluation.sequences=2", "--set", "evaluation.max_steps=5", "--set", "attention.frames=4",
]  # fmt: skip


def code_into(folder: Path) -> None:
    """The repository as an attached dataset, without what only its developers need."""
    ignored = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", "baton-home", "tests", ".hypothesis",
                                     "*.egg-info")  # fmt: skip
    shutil.copytree(REPOSITORY, folder / "baton-code", ignore=ignored)


def execute(
    inputs: Path,
    work: Path,
    limit: str,
    monkeypatch: pytest.MonkeyPatch,
    *more: str,
) -> str:
    """Run all cells with these parameters and `more` options. Returns everything they printed."""
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
            f"OPTIONS = {[*TINY, *more]!r}",
        ]
    )
    # So short a session would end before it began with the usual margin of half a minute.
    for name, value in environment(BATON_QUEUE_DEADLINE_MARGIN_SECONDS="5").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    NotebookClient(
        notebook, timeout=1100, kernel_name="python3", resources={"metadata": {"path": str(work)}}
    ).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
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


@pytest.mark.trial
@pytest.mark.timeout(1200)
def test_a_failed_job_costs_nothing_but_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No step at so high a rate gives finite losses: the training fails, and all that it waited for is done."""
    inputs, work = tmp_path / "input", tmp_path / "work"
    code_into(inputs)
    # Another dataset whose author describes its architecture is not taken for the code.
    (inputs / "other").mkdir()
    (inputs / "other" / "ARCHITECTURE.md").write_text("not Baton's")
    said = execute(
        inputs, work, "2h", monkeypatch, "--set", "training.learning_rate=1e9",
        "--set", "evaluation.random_baseline=false",
    )  # fmt: skip
    assert "the ablation ended with exit code 1; what was done is saved first" in said
    assert "THE ABLATION ENDED WITH EXIT CODE 1" in said
    assert "recon, seed 0: not measured yet" in said
    labels = {
        state: {label for found, label in rows(work, "SELECT state, label FROM job") if found == state}
        for state in ("succeeded", "failed")
    }
    assert labels["failed"] == {"train recon seed 0"} and "index validation" in labels["succeeded"]

    taken_over = cli.main(
        ["--home", str(tmp_path / "next"), "bundle", "import", str(work / "reconvla.baton")]
    )
    assert taken_over == 0
    with sqlite3.connect(tmp_path / "next" / "state.db") as connection:
        kept = connection.execute("SELECT label FROM job WHERE state = 'succeeded'").fetchall()
    assert {label for (label,) in kept} == labels["succeeded"]


def test_missing_libraries_are_installed_in_the_versions_that_were_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (cell,) = [cell for cell in notebook.cells if "pip" in cell.source]
    code_into(tmp_path / "input")
    asked: list[list[str]] = []
    monkeypatch.setenv("BATON_HOME", "restored at the end of this test")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda words, check: asked.append(words))
    exec(cell.source, {"INPUT": tmp_path / "input", "WORK": tmp_path / "work", "HOME": tmp_path / "home"})
    code = tmp_path / "work" / "baton"
    assert [words[-3:] for words in asked] == [["-c", str(code / "constraints.txt"), str(code)]]
    assert (code / "constraints.txt").exists()


def test_the_notebook_is_clean() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            compile(cell.source, str(NOTEBOOK), "exec")
