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

DECLARED = (
    "tasks/specs.py",
    "tasks/evaluate/chains.py",
    "tasks/results.py",
    "models/spec.py",
    "detectors/spec.py",
)

#: Classes whose fields are taken away together: mypy sees no further than the first that is gone.
ROUNDS = (
    {"Folder", "FinderOptions", "EarlyStoppingSpec", "OpenLoopDuring", "LoraSpec", "LookedAt", "About", "Demonstration",
     "OfficialSimulator", "LevelFigures", "ObjectFigures", "ByTask", "Attempted", "SequenceResult"},
    {"ModelSpec", "DetectorSpec", "TrainingSpec", "SimulatedScene"},
    {"IngestSpec", "GazeSpec", "IndexSpec", "TrainSpec", "JudgedSpec", "OpenLoopSpec", "ClosedLoopSpec",
     "AttentionSpec", "ReconstructSpec", "ReportSpec", "IngestResult", "GazeResult", "IndexResult", "TrainResult",
     "OpenLoopResult", "ClosedLoopResult", "AttentionResult", "ReconstructResult"},
)  # fmt: skip

#: Fields that no code reads by name. Handed on whole: options of a detector, what a command prints of a result.
#: Of a key: what tells two jobs apart. Told: in the job's row, for people and the audit.
UNREAD = {
    "handed on whole": "FinderOptions.box_threshold FinderOptions.interval FinderOptions.precision"
    " FinderOptions.python FinderOptions.stages FinderOptions.text_threshold FinderOptions.weights",
    "of a key": "OfficialSimulator.digest OfficialSimulator.numpy OfficialSimulator.pybullet OfficialSimulator.python"
    " TrainingSpec.reconstruction_weight",
    "told": "Attempted.attempted Attempted.succeeded LevelFigures.rate LevelFigures.trusted_right"
    " ObjectFigures.false_rate ObjectFigures.rate ObjectFigures.trusted_right SequenceResult.actions"
    " SequenceResult.steps ClosedLoopResult.avg_len ClosedLoopResult.counts ClosedLoopResult.scene"
    " ClosedLoopResult.simulator ClosedLoopResult.success ClosedLoopResult.tasks IngestResult.expert_missed"
    " OpenLoopResult.answer_tokens OpenLoopResult.gripper_accuracy OpenLoopResult.outside_tokens"
    " ReconstructResult.psnr_db ReconstructResult.psnr_encoded_db ReconstructResult.psnr_mean_colour_db"
    " TrainResult.overflowed_steps TrainResult.steps",
}


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
        name for line in ended.stdout.splitlines() for name in re.findall(r'has no attribute "(\w+)"', line)
    }
    assert {name for name, _ in fields} >= classes - {"NoOptions"}
    unread = {f"{name}.{field}" for name, field in fields if field not in read}
    assert sorted(unread) == sorted(
        name for names in UNREAD.values() for name in names.split() if name.partition(".")[0] in classes
    )
