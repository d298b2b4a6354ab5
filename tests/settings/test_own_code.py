"""Admitted source is run as modules of a package of its digest, and nothing else is."""

from __future__ import annotations

import sys
import traceback

import pytest

from errors import ConfigError, InvalidInput, WeightsMissing
from settings.code_source import Reference, Source
from settings.own_code import admit, class_of, told_by_line


def admitted(name: str = "Mine", **files: str) -> Reference:
    source = Source({f"{name.replace('_in_', '/')}.py": text for name, text in files.items()}, "/there")
    return Reference("mine", name, admit(source))


def test_imports_of_what_lies_beside_lead_to_it_and_no_name_is_taken() -> None:
    mine = """
import helper, parts.one
import parts.one as one
from helper import value
from parts import one as same

class Mine:
    def late(self):
        import lazy
        return lazy.value + helper.value + value + parts.one.value + one.value + same.value
"""
    others = {
        "helper": "value = 1",
        "lazy": "value = 1",
        "parts_in___init__": "",
        "parts_in_one": "from helper import *",
    }
    before = dict(sys.modules)
    assert class_of(admitted(mine=mine, **others))().late() == 6
    new = {name for name in sys.modules if name not in before}
    assert new and all(name.startswith("baton_own_") for name in new)


def test_two_versions_of_a_file_live_beside_each_other() -> None:
    text = "from helper import value\nclass Mine:\n    said = value\n"
    one, two = (admitted(mine=text, helper=f"value = {number}") for number in (1, 2))
    assert (class_of(one).said, class_of(two).said) == (1, 2)


def test_what_was_not_admitted_is_not_run() -> None:
    for reference in (Reference("os", "PathLike"), Reference("mine", "Mine", "0" * 64)):
        with pytest.raises(InvalidInput, match="no source of it was named here"):
            class_of(reference)


def test_a_name_that_is_no_class_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"/there/mine\.py has no class Mine"):
        class_of(admitted(mine="def Mine(): ..."))


def test_tracebacks_show_lines_of_the_source() -> None:
    reference = admitted(mine="class Mine:\n    def f(self):\n        return 1 / 0  # here\n")
    with pytest.raises(ZeroDivisionError) as caught:
        class_of(reference)().f()
    assert "return 1 / 0  # here" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "class Mine:\n    1 / 0\n",
            r"/there/mine\.py, line 2: trying Mine raised ZeroDivisionError: division by zero",
        ),
        ("raise SystemExit\nclass Mine: ...", r"/there/mine\.py, line 1: trying Mine raised SystemExit"),
        (
            "import nothing_such\nclass Mine: ...",
            r"/there/mine\.py, line 1: .*ModuleNotFoundError: No module named",
        ),
        (
            "from errors import InvalidInput\nclass Mine:\n    raise InvalidInput('no')",
            r"/there/mine\.py, line 3: trying Mine: no",
        ),
    ],
)
def test_what_it_raises_is_one_sentence_with_file_and_line(text: str, says: str) -> None:
    reference = admitted(mine=text)
    with pytest.raises(ConfigError, match=says), told_by_line(reference, "trying Mine"):
        class_of(reference)


def test_what_it_prints_is_no_answer_and_what_a_machine_lacks_stays_that(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reference = admitted(mine="print('hello')\nclass Mine: ...")
    with told_by_line(reference, "trying Mine"):
        class_of(reference)
    assert capsys.readouterr() == ("", "hello\n")
    for error in (WeightsMissing("x"), MemoryError(), OSError(28, "No space left on device")):
        with pytest.raises(type(error)), told_by_line(reference, "trying Mine"):
            raise error
