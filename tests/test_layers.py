"""Imports go downward only, as `ARCHITECTURE.md` lists them; a few libraries belong to one package each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import REPOSITORY

#: Highest first; a package imports from its own tier only itself.
TIERS: tuple[tuple[str, ...], ...] = (
    ("cli",),
    ("commands",),
    ("views",),
    ("experiments", "workers"),
    ("tasks",),
    ("policies",),
    ("models", "calvin", "detectors", "simulators", "reports", "db"),
    ("hub",),
    ("settings", "errors"),
    ("benchmark",),
)

RANK = {package: rank for rank, packages in enumerate(TIERS) for package in packages}

#: These look at the product from outside.
OUTSIDE = {"tests", "benchmarks", "chaos", "trials"}

#: Packages below that a package does not see although it is higher.
HIDDEN = {
    "tasks": {"db"},  # a body gets what it needs through its context
    "policies": {"db", "reports"},
    # The queue knows jobs, and nothing of what they do.
    "workers": {"policies", "models", "calvin", "detectors", "simulators", "reports", "benchmark"},
}

#: Modules that a package does not see, though it sees others of theirs.
HIDDEN_MODULES = {
    "workers": ("tasks.specs", "tasks.results", "tasks.changes", "tasks.data", "tasks.gaze", "tasks.train",
                "tasks.evaluate", "tasks.probes"),
    "db": ("benchmark",),
}  # fmt: skip

#: library -> packages that may import it.
OWNERS = {
    "celery": {"workers", "views"},
    "kombu": {"workers", "views"},
    "redis": {"workers", "commands"},
    "sqlalchemy": {"db"},
    "alembic": {"db"},
    "fsspec": {"db"},
    "huggingface_hub": {"hub", "detectors", "commands"},
    "pyarrow": {"calvin"},
    "av": {"calvin"},
    "isal": {"calvin"},
    "pybullet": {"simulators"},
    "cv2": {"models", "detectors", "simulators", "calvin", "reports", "tasks"},
    "torch": {"models", "detectors", "policies", "tasks", "commands"},  # doctor names its build
    "transformers": {"models", "detectors"},
    "matplotlib": {"reports"},
    "prometheus_client": {"views"},
    "tensorboardX": {"views"},
}


def modules() -> list[Path]:
    files = [REPOSITORY / "cli.py", REPOSITORY / "errors.py"]
    for package in RANK:
        files += sorted((REPOSITORY / package).rglob("*.py"))
    return files


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import in a file, also of those inside functions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            assert node.module is not None
            yield node.lineno, node.module


def violations(package: str, imported: str) -> str | None:
    """Why `package` must not import the module `imported`, or None."""
    top = imported.partition(".")[0]
    if top in RANK and top != package:
        if RANK[top] == RANK[package] and {top, package} != {"settings", "errors"}:
            return f"{package} and {top} are of one tier"
        if RANK[top] < RANK[package]:
            return f"{top} is above {package}"
        if top in HIDDEN.get(package, set()):
            return f"{package} does not see {top}"
        if any(f"{imported}.".startswith(f"{name}.") for name in HIDDEN_MODULES.get(package, ())):
            return f"{package} does not see {imported}"
    if top in OWNERS and package not in OWNERS[top]:
        return f"only {', '.join(sorted(OWNERS[top]))} may import {top}"
    return "nothing imports its tests" if top in OUTSIDE else None


def test_imports_go_downward() -> None:
    found = [
        f"{file.relative_to(REPOSITORY)}:{line}: {why} ({imported})"
        for file in modules()
        for line, imported in imports(file)
        if (why := violations(file.relative_to(REPOSITORY).parts[0].removesuffix(".py"), imported))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("package", "imported"),
    [
        ("models", "calvin.episode"),
        ("tasks", "db.jobs"),
        ("policies", "db.jobs"),
        ("policies", "tasks.context"),
        ("tasks", "celery"),
        ("db", "workers.retries"),
        ("settings", "db.engine"),
        ("workers", "sqlalchemy"),
        ("workers", "experiments.registry"),
        ("experiments", "workers.records"),
        ("workers", "models.config"),
        ("workers", "tasks.specs"),
        ("workers", "tasks.train.run"),
        ("db", "benchmark.tasks"),
        ("commands", "celery"),
        ("db", "tests.support"),
    ],
)
def test_the_rules_find_what_they_forbid(package: str, imported: str) -> None:
    assert violations(package, imported) is not None


def test_every_package_of_the_repository_has_a_tier() -> None:
    packages = {path.parent.name for path in REPOSITORY.glob("*/__init__.py")}
    assert packages - OUTSIDE <= set(RANK)


def test_files_stay_small() -> None:
    long = {
        str(f.relative_to(REPOSITORY)): n for f in modules() if (n := len(f.read_text().splitlines())) > 500
    }
    assert long == {}
