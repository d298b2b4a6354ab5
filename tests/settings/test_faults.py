"""An error of the machine is never taken for a fact about a file, a process or another machine."""

from __future__ import annotations

import ast
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calvin.pickles import load_npy_pickle
from commands import gaze
from db.owner import read_owner
from experiments.reconvla import named_config as presets
from models.json_files import read_json
from models.openvla_checkpoint import is_openvla
from models.weight_files import open_file
from settings import clock, faults, processes
from settings.elsewhere import elsewhere
from settings.home import Home
from settings.ownership import not_usable
from tasks.evaluate import alone as evaluate_alone
from tasks.evaluate.results_file import ResultsFile
from tests.support import REPOSITORY
from tests.test_layers import modules

ASKED: list[Callable[[Path], Any]] = [
    is_openvla,
    lambda folder: read_json(folder / "config.json"),
    lambda folder: open_file(folder / "config.json"),
    lambda folder: load_npy_pickle(folder / "config.json"),
    lambda folder: presets.load_config(file=folder / "config.json"),
    lambda folder: list(not_usable(folder, os.R_OK)),
    lambda _: clock.boot_id(),
    lambda _: processes.process_space.__wrapped__(),
]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM])
@pytest.mark.parametrize("ask", ASKED)
def test_a_machine_short_of_something_has_told_nothing(
    ask: Callable[[Path], Any], number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "openvla"}')

    def short(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    for call in ("open", "read_text", "read_bytes", "readlink"):
        monkeypatch.setattr(Path, call, short)
    for call in ("open", "scandir"):
        monkeypatch.setattr(os, call, short)
    with pytest.raises(OSError, match=os.strerror(number)):
        ask(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EIO, errno.EACCES, errno.ENOSPC])
def test_others_are_facts(number: int) -> None:
    faults.need_fact(OSError(number, ""))
    faults.need_fact(ValueError())


OF_USERS: list[Callable[[Path], Any]] = [
    elsewhere,
    lambda folder: Home(folder / "new").create(),
    lambda folder: read_owner(Home(folder)),
    lambda folder: ResultsFile(folder / "results.jsonl", {}),
    lambda folder: evaluate_alone._make_folder(folder / "films"),
    lambda folder: gaze._make_folder(folder / "sheets"),
]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("ask", OF_USERS)
def test_what_the_machine_or_the_disk_lacks_is_no_mistake_of_the_user(
    ask: Callable[[Path], Any], number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line tells these by their numbers, and does not say that the input cannot be used."""

    (tmp_path / "home.yaml").write_text("{}")

    def short(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    for call in ("open", "read_text", "read_bytes", "mkdir"):
        monkeypatch.setattr(Path, call, short)
    monkeypatch.setattr(os, "open", short)
    with pytest.raises(OSError, match=os.strerror(number)):
        ask(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENAMETOOLONG])
def test_others_may_be_mistakes(number: int) -> None:
    faults.need_mistake(OSError(number, ""))


#: What such a handler asks first, or why it need not: it tells of the machine itself, or of a server.
ASKS = (
    "need_fact(",
    "need_mistake(",
    "is_unreadable(",
    ".errno",
    "EnvironmentLacks(",
    "StateLost(",
    "Stopped(",
)
#: Errors of a program that answers over HTTP, and of one in an interpreter of its own.
ELSEWHERE = {"views/notice_address.py", "detectors/grounding_dino/py_package_server.py"}


@pytest.mark.parametrize("file", sorted(modules()), ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_whoever_tells_of_an_error_asks_first_whose_it_is(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    if "OSError" not in source or str(file.relative_to(REPOSITORY)) in ELSEWHERE:
        return
    for handler in ast.walk(ast.parse(source)):
        if isinstance(handler, ast.ExceptHandler) and "OSError" in ast.unparse(handler.type or handler):
            does = ast.unparse(handler.body)  # type: ignore[arg-type]
            tells = [
                node for node in ast.walk(handler) if isinstance(node, ast.Raise) and node.exc is not None
            ]
            assert not tells or any(asked in does for asked in ASKS), f"line {handler.lineno}: {does}"


def test_memory_is_asked_for_and_given_back() -> None:
    assert faults.gives_memory(1 << 20)
    assert not faults.gives_memory(1 << 62)
