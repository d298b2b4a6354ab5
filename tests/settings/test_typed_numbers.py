from __future__ import annotations

from pathlib import Path

import pytest

import cli
from settings.typed_numbers import LARGEST, whole_number
from tests.workshop import Workshop


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("7", 7), ("007", 7), (str(LARGEST), LARGEST), ("0" * 5000 + "1", 1)]
)
def test_numbers_are_numbers(text: str, number: int) -> None:
    assert whole_number(text) == number


NONE = ["", " 1", "-1", "+1", "1.0", "1e3", "²", "½", "٣", "1_0", str(LARGEST + 1), str(2**63), "1" * 5000]


@pytest.mark.parametrize("text", NONE)
def test_what_is_none_is_none(text: str) -> None:
    assert whole_number(text) is None


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workshop = Workshop(tmp_path_factory.mktemp("typed") / "home")
    workshop.submit()
    workshop.close()
    return workshop.home.root


NAMING = [("status",), ("logs",), ("pause",), ("unpause",), ("cancel",), ("retry",), ("retry", "--job"), ("upgrade",),
          ("report",), ("audit", "--slices"), ("audit", "--others")]  # fmt: skip


@pytest.mark.parametrize("words", NAMING, ids=" ".join)
@pytest.mark.parametrize("text", ["²", str(2**63), "1" * 5000], ids=["superscript", "large", "long"])
def test_a_command_knows_nothing_of_such_a_number(
    words: tuple[str, ...], text: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert cli.main(["--home", str(home), *words, text]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and len(said) < 600
