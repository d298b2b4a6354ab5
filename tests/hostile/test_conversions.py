"""Half a conversion that somebody left: what it says of its parts leads nowhere else, and is no traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calvin.conversion import convert as conversion
from calvin.conversion.convert import convert
from calvin.conversion.source import Source, opened_source
from calvin.split import NOTHING_SAID
from errors import InvalidInput
from tests.calvin.conversion.converting import dataset, target_of
from tests.hostile.sentences import sentence

FORMS = ("v3.0 png float64", "v2.1 png float64", "calvin")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return opened_source(dataset(tmp_path_factory.mktemp("source") / "npz", 2), NOTHING_SAID, False)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, source: Source) -> dict[str, Path]:
    """By form, a conversion that was killed when its first part was there."""
    folder, made = tmp_path_factory.mktemp("begun"), {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(conversion, "PART", 1)
        for number, form in enumerate(FORMS):
            running = convert(source, target_of(source, form), folder / str(number))
            next(running)
            made[form] = folder / f"of {number}"
            shutil.copytree(folder / f".partial.{number}", made[form])
            running.close()
    return made


def without(*names: str) -> Callable[[dict[str, Any]], object]:
    return lambda one: {name: value for name, value in one.items() if name not in names}


#: What stands in the place of what is known of a demonstration, under a right seal.
FORGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "a split that leads out": lambda one: {**one, "split": "../../out"},
    "another split": lambda one: {**one, "split": "validation"},
    "another length": lambda one: {**one, "length": one["length"] + 1},
    "a length that is a text": lambda one: {**one, "length": "7"},
    "a list": lambda one: [1],
    "nothing": lambda one: {},
    "no statistics": without("statistics"),
    "statistics that are none": lambda one: {**one, "statistics": {"robot_obs": 3}},
    "statistics of another width": lambda one: {
        **one, "statistics": {name: {**of, "mean": [0.0] * 5} for name, of in one["statistics"].items()}
    },
    "statistics without a count": lambda one: {
        **one, "statistics": {name: {"mean": [0.0]} for name in one["statistics"]}
    },
    "a task that is a list": lambda one: {**one, "task": [[]]},
    "no task": without("task", "start"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", FORGED)
def test_what_it_says_of_a_part_is_of_that_part_or_refused(
    case: str,
    form: str,
    begun: dict[str, Path],
    source: Source,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversion, "PART", 1)
    aside = shutil.copytree(begun[form], tmp_path / "x" / ".partial.dst")
    document = aside / "parts" / "0.json"
    content = json.loads(document.read_text())
    facts = [FORGED[case](one) for one in content["facts"]]
    document.write_text(json.dumps({**content, "facts": facts, "seal": conversion._seal(facts)}))
    with pytest.raises(InvalidInput, match="damaged; remove") as refused:
        list(convert(source, target_of(source, form), tmp_path / "x" / "dst"))
    sentence(refused, aside / "parts")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "x"] and list((tmp_path / "x").iterdir()) == [aside]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", ["files", "keep", "finish"])
def test_a_fault_of_the_target_is_not_told_as_one_of_the_parts(
    method: str,
    form: str,
    begun: dict[str, Path],
    source: Source,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(conversion, "PART", 1)
    shutil.copytree(begun[form], tmp_path / ".partial.dst")
    target = target_of(source, form)
    monkeypatch.setattr(target, method, fails)
    with pytest.raises(KeyError, match="ours"):
        list(convert(source, target, tmp_path / "dst"))


@pytest.mark.parametrize("form", FORMS)
def test_what_was_left_sound_is_gone_on_with(
    form: str, begun: dict[str, Path], source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "PART", 1)
    shutil.copytree(begun[form], tmp_path / ".partial.dst")
    progress = list(convert(source, target_of(source, form), tmp_path / "dst"))
    assert [one.was_there for one in progress] == [True, False, False]
