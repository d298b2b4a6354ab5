"""Source of the user's own is found by reading alone, and counts by what it holds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from errors import ConfigError
from settings.code_source import (
    MOST_BYTES,
    MOST_FILES,
    OF_BATON,
    RESERVED,
    Reference,
    find_source,
    reference_of,
    references_in,
    source_from_json,
)
from tests.support import REPOSITORY

DIGEST = "0" * 64


def write(folder: Path, **files: str) -> Path:
    """`a_in_b` is b/a.py."""
    for name, text in files.items():
        module, _, package = name.partition("_in_")
        path = folder / package / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def found(folder: Path, name: str = "mine:Mine") -> list[str]:
    reference = reference_of(name)
    assert reference is not None
    return sorted(find_source(folder, reference, "gaze.detector").files)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("mine:Mine", Reference("mine", "Mine")),
        ("a.b_1:_C", Reference("a.b_1", "_C")),
        (f"mine:Mine@{DIGEST}", Reference("mine", "Mine", DIGEST)),
        ("colour", None),
        ("mine:", None),
        (":Mine", None),
        ("mine:Mine@12", None),
        ("../x:Mine", None),
        ("http://127.0.0.1:9", None),
        ("mine:Mine\n", None),
        ("m" * 300 + ":Mine", None),
        (3, None),
    ],
)
def test_names_of_classes(text: object, reference: Reference | None) -> None:
    assert reference_of(text) == reference
    assert reference is None or str(reference) == text


def test_names_are_found_wherever_they_stand() -> None:
    value = {"a": [{"b": f"x:X@{DIGEST}"}, "x:X", 3], "c": f"y:Y@{DIGEST}"}
    assert {one.label for one in references_in(value)} == {"x:X", "y:Y"}


def test_what_no_file_can_be_called_is_not_beside_it(tmp_path: Path) -> None:
    write(tmp_path, mine=f"import b{'x' * 400}\nimport {'x.' * 3000}x\nclass Mine: pass\n")
    assert found(tmp_path) == ["mine.py"]


def test_what_is_imported_beside_it_counts_and_nothing_is_run(tmp_path: Path) -> None:
    write(
        tmp_path,
        mine="import numpy, os.path\nfrom helper import f\nclass Mine:\n    def g(self):\n        import late\n",
        helper="from parts import one\nraise SystemExit('it was run')\n",
        late="",
        __init___in_parts="",
        one_in_parts="from . import two\nfrom .two import x\n",
        two_in_parts="import detectors.base\n",
        unused_in_parts="",
        unused="",
        detectors="",
        os="",
    )
    assert found(tmp_path) == [
        "helper.py", "late.py", "mine.py", "parts/__init__.py", "parts/one.py", "parts/two.py"
    ]  # fmt: skip


def test_a_package_and_a_module_in_a_folder(tmp_path: Path) -> None:
    write(tmp_path, __init___in_a="from .b import Mine", b_in_a="class Mine: pass", d_in_c="class Mine: pass")
    assert found(tmp_path, "a:Mine") == ["a/__init__.py", "a/b.py"]
    assert found(tmp_path, "a.b:Mine") == ["a/__init__.py", "a/b.py"]
    assert found(tmp_path, "c.d:Mine") == ["c/d.py"]


def test_the_digest_is_of_contents_and_places_alone(tmp_path: Path) -> None:
    reference = Reference("mine", "Mine")
    one = find_source(
        write(tmp_path / "one", mine="import other\nclass Mine: pass", other="x = 1"), reference, "x"
    )
    two = find_source(
        write(tmp_path / "two", other="x = 1", mine="import other\nclass Mine: pass"), reference, "x"
    )
    assert one.digest == two.digest and source_from_json(dict(one.files)).digest == one.digest
    changed = find_source(write(tmp_path / "two", other="x = 2"), reference, "x")
    assert changed.digest != one.digest
    assert find_source(tmp_path / "two", Reference("mine", "Mine", changed.digest), "x") == changed
    with pytest.raises(ConfigError, match="leave the digest out"):
        find_source(tmp_path / "two", Reference("mine", "Mine", one.digest), "x")


def _link_out(folder: Path) -> None:
    (folder.parent / "elsewhere.py").write_text("class Mine: pass")
    (folder / "mine.py").symlink_to(folder.parent / "elsewhere.py")


REFUSED: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no module": (lambda f: None, "mine:Mine", r"there is no mine\.py in .*where mine:Mine would be"),
    "no class": (lambda f: write(f, mine="x = 1"), "mine:Mine", r"mine\.py defines no class Mine"),
    "no Python": (lambda f: write(f, mine="class Mine:\n  x = = 1"), "mine:Mine", r"mine\.py, line 2: .*no Python"),
    "a helper that is no Python": (
        lambda f: write(f, mine="import b\nclass Mine: pass", b="\n\n("), "mine:Mine", r"b\.py, line 3: "
    ),
    "nested too deeply": (
        lambda f: write(f, mine=f"x = {'-' * 5000}1\nclass Mine: pass"), "mine:Mine", r"mine\.py: this is no Python: "
    ),
    "no text": (lambda f: (f / "mine.py").write_bytes(b"\xff"), "mine:Mine", r"mine\.py is no text in UTF-8"),
    "a FIFO": (lambda f: os.mkfifo(f / "mine.py"), "mine:Mine", "it is a FIFO"),
    "a link to itself": (
        lambda f: (f / "mine.py").symlink_to("mine.py"), "mine:Mine", "cannot be read: Too many levels"
    ),
    "a link out": (_link_out, "mine:Mine", "leads outside of"),
    "an import above": (lambda f: write(f, mine="from .. import x\nclass Mine: pass"), "mine:Mine", "line 1: "),
    "too long": (lambda f: write(f, mine="#" * (MOST_BYTES + 1)), "mine:Mine", f"at most {MOST_BYTES} are read"),
    "too many": (
        lambda f: write(f, mine="".join(f"import m{n}\n" for n in range(MOST_FILES)), **{
            f"m{n}": "" for n in range(MOST_FILES)}), "mine:Mine", f"more than {MOST_FILES} files"
    ),
    "a name of Baton's": (lambda f: write(f, detectors="class Mine: pass"), "detectors:Mine", "module of Baton's"),
    "a name of Python's": (lambda f: write(f, json="class Mine: pass"), "json:Mine", "or of Python's"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_taken_is_one_sentence(case: str, tmp_path: Path) -> None:
    make, name, says = REFUSED[case]
    (tmp_path / "here").mkdir()
    make(tmp_path / "here")
    with pytest.raises(ConfigError, match=says) as refused:
        found(tmp_path / "here", name)
    assert str(refused.value).startswith("gaze.detector: ") and "\n" not in str(refused.value)


def test_a_machine_without_memory_is_no_mistake_of_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(_text: str) -> object:
        raise MemoryError

    write(tmp_path, mine="class Mine: pass")
    monkeypatch.setattr("settings.code_source.ast.parse", no_memory)
    monkeypatch.setattr("settings.code_source.gives_memory", lambda _count: False)
    with pytest.raises(MemoryError):
        found(tmp_path, "mine:Mine")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "0 files"),
        ({"../x.py": ""}, "no place of a module"),
        ({"/x.py": ""}, "no place of a module"),
        ({"a//b.py": ""}, "no place of a module"),
        ({"x.so": ""}, "no place of a module"),
        ({"detectors/x.py": ""}, "name of Baton's"),
        ({"x.py": 3}, "no text"),
        ({"x.py": "#" * (MOST_BYTES + 1)}, "more than"),
        ({f"x{n}.py": "" for n in range(MOST_FILES + 1)}, f"{MOST_FILES + 1} files"),
    ],
)
def test_what_a_state_holds_is_looked_at(files: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        source_from_json(files)


def test_whoever_works_in_a_clone_may_put_a_class_beside_baton() -> None:
    """What is Baton's is told by its names, whatever else lies there; all that is installed is among them."""
    built = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.setuptools]")[2]
    lists = re.findall(r"(?:py-modules|include) = \[(.*)\]", built)
    installed = {name.rstrip("*") for names in lists for name in re.findall(r'"([^"]+)"', names)}
    assert {"cli", "hub", "workers"} <= installed <= OF_BATON and "my_detector" not in RESERVED
    assert all((REPOSITORY / name).is_dir() or (REPOSITORY / f"{name}.py").is_file() for name in OF_BATON)
