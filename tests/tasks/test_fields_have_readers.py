"""A field of a job's parameters or result that is taken away breaks its readers where mypy sees them, not at night."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPOSITORY

pytestmark = pytest.mark.slow

DECLARED = ("tasks/specs.py", "tasks/results.py", "models/spec.py", "detectors/spec.py")

#: Classes whose fields are taken away together: mypy sees no further than the first that is gone.
ROUNDS = (
    {"Folder", "FinderOptions", "EarlyStoppingSpec", "OpenLoopDuring", "LoraSpec", "LookedAt", "About", "Demonstration",
     "OfficialSimulator", "LevelFigures", "ObjectFigures", "ByTask", "Attempted", "SequenceResult"},
    {"ModelSpec", "DetectorSpec", "TrainingSpec", "SimulatedScene"},
    {"IngestSpec", "GazeSpec", "IndexSpec", "TrainSpec", "JudgedSpec", "OpenLoopSpec", "ClosedLoopSpec",
     "AttentionSpec", "ReconstructSpec", "ReportSpec", "IngestResult", "GazeResult", "IndexResult", "TrainResult",
     "OpenLoopResult", "ClosedLoopResult", "AttentionResult", "ReconstructResult"},
)  # fmt: skip

#: Fields that no code reads by name: they are of a job's key, or for people who look at a row.
UNREAD: dict[str, str] = {}


def without_fields(source: str, classes: set[str]) -> tuple[str, set[tuple[str, str]]]:
    """The source without the fields of these dataclasses; (class, field) of each."""
    lines, found = source.splitlines(), set()
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef) or node.name not in classes:
            continue
        for field in node.body:
            if isinstance(field, ast.AnnAssign) and "ClassVar" not in ast.unparse(field.annotation):
                assert isinstance(field.target, ast.Name)
                found.add((node.name, field.target.id))
                lines[field.lineno - 1 : field.end_lineno] = ["    pass"] * (
                    (field.end_lineno or field.lineno) - field.lineno + 1
                )
    return "\n".join(lines) + "\n", found


@pytest.mark.parametrize(
    "classes", [ROUNDS[0], *(pytest.param(r, marks=pytest.mark.trial) for r in ROUNDS[1:])]
)
def test_every_field_has_a_reader_that_mypy_checks(classes: set[str], tmp_path: Path) -> None:
    packages = re.search(r"^files = (\[.*?\])", (REPOSITORY / "pyproject.toml").read_text(), re.M | re.S)
    assert packages is not None
    for name in (*ast.literal_eval(packages.group(1)), "pyproject.toml", ".mypy_cache"):
        place = REPOSITORY / name
        if place.is_dir():
            shutil.copytree(place, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif place.exists():
            shutil.copy(place, tmp_path / name)
    fields: set[tuple[str, str]] = set()
    for name in DECLARED:
        source, found = without_fields((tmp_path / name).read_text(encoding="utf-8"), classes)
        (tmp_path / name).write_text(source, encoding="utf-8")
        fields |= found
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    read = {
        name
        for line in ended.stdout.splitlines()
        if not line.startswith(DECLARED)
        for name in re.findall(r'has no attribute "(\w+)"', line)
    }
    assert {name for name, _ in fields} >= classes - {"NoOptions"}
    unread = {f"{name}.{field}" for name, field in fields if field not in read}
    assert unread == {name for name in UNREAD if name.partition(".")[0] in classes}
