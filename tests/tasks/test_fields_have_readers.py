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

#: Fields that no code reads by name, and why they are there.
UNREAD = {
    "tasks": "of a job's key alone",
}


def without_fields(source: str) -> tuple[str, set[tuple[str, str]]]:
    """The source without the fields of its dataclasses; (class, field) of each."""
    lines, found = source.splitlines(), set()
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field in node.body:
            if isinstance(field, ast.AnnAssign) and "ClassVar" not in ast.unparse(field.annotation):
                assert isinstance(field.target, ast.Name)
                found.add((node.name, field.target.id))
                lines[field.lineno - 1 : field.end_lineno] = ["    pass"] * (
                    (field.end_lineno or field.lineno) - field.lineno + 1
                )
    return "\n".join(lines) + "\n", found


def test_every_field_has_a_reader_that_mypy_checks(tmp_path: Path) -> None:
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
        source, found = without_fields((tmp_path / name).read_text(encoding="utf-8"))
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
    unread = {field for _, field in fields} - read
    assert unread == set(UNREAD), "fields that nothing reads, or readers that mypy does not look into"
