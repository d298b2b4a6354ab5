"""Python 3.10, 3.11 and 3.12: `make` sets Baton up without a compiler, preset `smoke` ends, the scenes are the same.

    python -m trials.pythons [--pythons python3.10,python3.11,python3.12] [--steps smoke,scenes,suite]
                             [--groups lint,tests/db] [--folder FOLDER] [--json FILE]

For each Python, named or as a path: a clone of the last commit, and a PATH without compilers. `smoke`: `make ablation
ARGS="--preset smoke"` to its table. `scenes`: `trials.interpreters.scenes`. `suite`: all that `make test` does, by
groups. What was found stays in the JSON, with its commit, until that step or group is run again. The suite takes an
hour of two cores for each Python.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from trials import REPOSITORY, RESULTS, final_artifacts, git, keep

_COMPILER = re.compile(
    r"(.*-)?(gcc|g\+\+|cc|c\+\+|cpp|clang|clang\+\+|c89|c99|tcc|icc|icx|nvcc|rustc|cargo)(-[\d.]+)?"
)
_SHARED = Path(os.environ.get("BATON_SHARED", REPOSITORY.parent / "shared"))
_LIBRARIES = ("pybullet", "pybullet-arm64", "numpy", "torch", "transformers", "opencv-python-headless")
_LINT = "lint"
_TOLD = 3000


@dataclass(frozen=True)
class Asked:
    """A clone with its environment, the variables that its programs get, the Python of it, groups of the suite."""

    clone: Path
    variables: Mapping[str, str]
    python: str
    groups: Sequence[str]

    def make(self, target: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self._do(["make", target, f"PYTHON={self.python}", *words], variables)

    def run(self, program: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A program of the clone's environment."""
        return self._do([str(self.clone / ".venv" / "bin" / program), *words], variables)

    def _do(self, words: Sequence[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        given = {**self.variables, **variables}
        return subprocess.run(words, cwd=self.clone, env=given, capture_output=True, text=True, check=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pythons", default="python3.10,python3.11,python3.12")
    parser.add_argument("--steps", default=",".join(_STEPS))
    parser.add_argument("--groups", default="", help="of the suite, only these")
    parser.add_argument("--folder", type=Path, help="for clones and environments, which stay")
    parser.add_argument("--json", type=Path, default=RESULTS / "pythons.json")
    options = parser.parse_args()
    kept = json.loads(options.json.read_text())["pythons"] if options.json.is_file() else {}
    commit = git("rev-parse", "--short", "HEAD")
    with tempfile.TemporaryDirectory(prefix="baton-pythons-", ignore_cleanup_errors=True) as name:
        folder = options.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        for given in options.pythons.split(","):
            python = shutil.which(given)
            if python is None:
                parser.error(f"--pythons: {given} is not on the path")
            version = _said(python, "-c", "import platform; print(platform.python_version())")
            clone = _clone(folder / version)
            variables = _variables(folder / f"bin-{version}", Path(python))
            about = kept.setdefault(version, {})
            for step in options.steps.split(","):
                asked = Asked(clone, variables, python, options.groups.split(",") if options.groups else [])
                for found in _STEPS[step](asked):
                    _add(about, step, commit, found)
                    about["libraries"] = _libraries(clone / ".venv" / "bin" / "python")
                    document = {"holds": _holds(kept), "same_scenes": _same_scenes(kept), "pythons": kept}
                    keep(options.json, __doc__.splitlines()[0], document)
                    print(version, step, json.dumps(found), flush=True)
    return 0 if document["holds"] else 1


def _clone(folder: Path) -> Path:
    """Of the last commit; what lies there already is brought to it, with its environment."""
    if folder.is_dir():
        subprocess.run(["git", "fetch", "--quiet", str(REPOSITORY), "HEAD"], cwd=folder, check=True)
        subprocess.run(["git", "checkout", "--quiet", "--detach", "FETCH_HEAD"], cwd=folder, check=True)
    else:
        subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder)], check=True)
        subprocess.run(["git", "checkout", "--quiet", git("rev-parse", "HEAD")], cwd=folder, check=True)
    return folder


def _variables(programs: Path, python: Path) -> Mapping[str, str]:
    """Of the environment, with a PATH where each program is but compilers and other Pythons."""
    programs.mkdir(exist_ok=True)
    for place in map(Path, os.environ.get("PATH", os.defpath).split(os.pathsep)):
        for program in place.iterdir() if place.is_dir() else ():
            link = programs / program.name
            if not (
                _COMPILER.fullmatch(program.name) or program.name.startswith("python") or link.is_symlink()
            ):
                link.symlink_to(program)
    assert shutil.which("cc", path=str(programs)) is None
    foreign = ("PYTHON", "BATON_HOME", "VIRTUAL_ENV", "CC", "CXX", "MAKE", "MFLAGS")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    return {**kept, "PATH": str(programs), "PYTHON": str(python)}


def _smoke(asked: Asked) -> Iterator[dict[str, Any]]:
    home = asked.clone / "home-of-smoke"
    shutil.rmtree(home, ignore_errors=True)
    began = time.monotonic()
    ended = asked.make("ablation", "ARGS=--preset smoke", BATON_HOME=str(home))
    table = [line.rstrip() for line in ended.stdout.splitlines() if "baseline" in line or "recon" in line]
    yield {
        "holds": ended.returncode == 0 and bool(table),
        "exit_code": ended.returncode,
        "seconds": round(time.monotonic() - began),
        "artifacts": len(final_artifacts(home / "state.db")),
        "table": table[-3:],
        "error": ended.stderr[-_TOLD:] if ended.returncode else "",
    }


def _scenes(asked: Asked) -> Iterator[dict[str, Any]]:
    words = ["-m", "trials.interpreters.scenes"]
    for option, name in (("--assets", "calvin_assets"), ("--mini", "calvin_mini")):
        words += [option, str(_SHARED / name)] if (_SHARED / name).is_dir() else []
    ended = asked.run("python", *words)
    found = json.loads(ended.stdout) if ended.returncode == 0 else {"error": ended.stderr[-_TOLD:]}
    yield {"holds": ended.returncode == 0, **found}


def _suite(asked: Asked) -> Iterator[dict[str, Any]]:
    asked.make(".venv/.installed-dev")
    for group in asked.groups or _groups(asked.clone):
        yield {"group": group, **(_lint(asked) if group == _LINT else _tests(asked, group))}


def _groups(clone: Path) -> list[str]:
    """All that `make test` does, in parts: folders of tests, and the files beside them."""
    tests = sorted((clone / "tests").iterdir())
    folders = [entry for entry in tests if entry.is_dir() and any(entry.rglob("test_*.py"))]
    files = [entry for entry in tests if entry.name.startswith("test_")]
    return [_LINT, *(str(entry.relative_to(clone)) for entry in (*folders, *files))]


def _lint(asked: Asked) -> dict[str, Any]:
    told = ""
    for words in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
        ended = asked.run(*words)
        told += ended.stdout + ended.stderr if ended.returncode else ""
    return {"holds": not told, "error": told[-_TOLD:]}


def _tests(asked: Asked, group: str) -> dict[str, Any]:
    told = asked.clone / "junit.xml"
    told.unlink(missing_ok=True)
    began = time.monotonic()
    ended = asked.run("python", "-m", "pytest", group, f"--junitxml={told}", **_shared_folders())
    cases = list(ElementTree.parse(told).iter("testcase")) if told.is_file() else []
    wrong = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return {
        "holds": ended.returncode == 0,
        "seconds": round(time.monotonic() - began),
        "tests": len(cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
        "failed": [f"{case.get('classname')}::{case.get('name')}" for case in wrong],
        "error": ended.stdout[-_TOLD:] if ended.returncode and not wrong else "",
    }


#: By name, in this order: the first sets the environment up.
_STEPS = {"smoke": _smoke, "scenes": _scenes, "suite": _suite}


def _shared_folders() -> dict[str, str]:
    names = {
        "BATON_PARITY": "parity",
        "BATON_CALVIN_MINI": "calvin_mini",
        "BATON_CALVIN_ASSETS": "calvin_assets",
    }
    return {variable: str(_SHARED / name) for variable, name in names.items() if (_SHARED / name).is_dir()}


def _libraries(python: Path) -> dict[str, str]:
    """Versions of what decides results, of those that are installed."""
    asked = "import json, sys; from settings.machine import *; print(json.dumps({n: version(n) for n in sys.argv[1:]}))"
    found = json.loads(_said(str(python), "-c", asked, *_LIBRARIES))
    return {name: version for name, version in found.items() if version != "absent"}


def _said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def _add(about: dict[str, Any], step: str, commit: str, found: dict[str, Any]) -> None:
    """To what is kept of a Python: a step's result, or one group more of the suite."""
    if "group" not in found:
        about[step] = {"commit": commit, **found}
        return
    groups = {**about.get(step, {}).get("groups", {}), found["group"]: {"commit": commit, **found}}
    about[step] = {"holds": all(one["holds"] for one in groups.values()), "groups": groups}


def _same_scenes(kept: Mapping[str, Any]) -> bool | None:
    """None where fewer than two were asked."""
    digests = [about["scenes"]["digests"] for about in kept.values() if "digests" in about.get("scenes", {})]
    return all(one == digests[0] for one in digests) if len(digests) > 1 else None


def _holds(kept: Mapping[str, Any]) -> bool:
    steps = [about[step] for about in kept.values() for step in _STEPS if step in about]
    return all(step["holds"] for step in steps) and _same_scenes(kept) is not False


if __name__ == "__main__":
    sys.exit(main())
