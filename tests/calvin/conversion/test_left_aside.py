"""What a conversion left aside is gone on with as it was written, and told where it is not."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from calvin.conversion import convert as conversion
from calvin.conversion.room import need_room
from calvin.conversion.source import opened_source
from calvin.split import NOTHING_SAID
from errors import InvalidInput
from settings.files import aside_of
from tests.calvin.conversion.converting import converted, dataset, target_of

FORM = "v2.1 png float64"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dataset(tmp_path_factory.mktemp("made") / "npz")


def _begun(made: Path, dst: Path, form: str = FORM, parts: int = 1) -> Path:
    """A conversion that was broken off behind so many parts: where it lies."""
    source = opened_source(made, NOTHING_SAID, False)
    going = conversion.convert(source, target_of(source, form), dst)
    for _ in range(parts):
        next(going)
    going.close()
    return aside_of(dst)


def _without_facts(folder: Path) -> None:
    document = json.loads((folder / "parts" / "0.json").read_text())
    (folder / "parts" / "0.json").write_text(json.dumps({"source": document["source"]}))


def _with_facts(facts: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        document = json.loads((folder / "parts" / "0.json").read_text())
        (folder / "parts" / "0.json").write_text(json.dumps({**document, "facts": facts}))

    return change


def _a_file(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        shutil.rmtree(folder / name)
        (folder / name).write_text("")

    return change


def _a_link(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        shutil.move(folder / name, folder.parent / "elsewhere")
        (folder / name).symlink_to(folder.parent / "elsewhere")

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_without_facts, "0.json is damaged; remove "),
        (_with_facts([]), "0.json is damaged; remove "),
        (_with_facts("x"), "0.json is damaged; remove "),
        (_with_facts([1]), "0.json is damaged; remove "),
        (_with_facts([{"task": "x", "length": 3}]), "0.json is damaged; remove "),
        (_a_file("parts"), "is there, and no part of a conversion"),
        (_a_file("set"), "is there, and no part of a conversion"),
        (_a_link("parts"), "is there, and no part of a conversion"),
        (_a_link("set"), "is there, and no part of a conversion"),
    ],
)
def test_what_lies_aside_and_was_changed_is_told_and_not_gone_on_with(
    change: Callable[[Path], None], says: str, tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "PART", 1)
    dst = tmp_path / "set"
    change(_begun(made, dst))
    with pytest.raises(InvalidInput, match=says):
        converted(made, dst, FORM)
    assert not dst.exists()


@pytest.mark.parametrize("name", ["index", "position"])
@pytest.mark.parametrize("form", ["v2.1 png float64", "v3.0 png float64"])
@pytest.mark.parametrize("part", [0, 1])
def test_what_is_kept_of_a_part_follows_on_those_before_it(
    name: str, form: str, part: int, tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a right seal, too: else two episodes had one number, and rows others than the list says."""
    monkeypatch.setattr(conversion, "PART", 1)
    dst = tmp_path / "set"
    file = _begun(made, dst, form, parts=2) / "parts" / f"{part}.json"
    document = json.loads(file.read_text())
    document["facts"][0][name] += 1
    file.write_text(json.dumps({**document, "seal": conversion._seal(document["facts"])}))
    with pytest.raises(InvalidInput, match=rf"{part}\.json is damaged; remove "):
        converted(made, dst, form)
    assert not dst.exists()


def test_room_is_looked_for_while_another_command_writes_and_names_its_files(tmp_path: Path) -> None:
    dst, stop = tmp_path / "set", threading.Event()
    aside = aside_of(dst)

    def other() -> None:
        while not stop.is_set():
            for number in range(20):
                (aside / str(number)).mkdir(parents=True, exist_ok=True)
                (aside / str(number) / "x").write_bytes(b"x")
            shutil.rmtree(aside)

    thread = threading.Thread(target=other)
    thread.start()
    try:
        for _ in range(200):
            need_room(1000, dst)
    finally:
        stop.set()
        thread.join()
