from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from calvin.check import examine
from calvin.dataset import open_dataset
from calvin.recording import RECORD, recorded_renderer, recording_of
from calvin.split import annotated_frames
from errors import DatasetError
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split


def configured(folder: Path, text: str | bytes) -> Path:
    file = folder / ".hydra" / "merged_config.yaml"
    file.parent.mkdir()
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


@pytest.mark.parametrize(
    ("text", "renderer"),
    [
        ("env:\n  use_egl: true\n", "egl"),
        ("env:\n  use_egl: false\n", "tiny"),
        ("env:\n  use_egl: ${egl}\n", None),
        ("env: {}\n", None),
        ("cameras: {}\n", None),
        ("- env\n", None),
        ("", None),
    ],
)
def test_the_configuration_tells_the_renderer(tmp_path: Path, text: str, renderer: str | None) -> None:
    assert recorded_renderer(configured(tmp_path, text)) == renderer


def test_without_a_configuration_nobody_knows(tmp_path: Path) -> None:
    assert recorded_renderer(tmp_path) is None


@pytest.mark.parametrize("text", ["env: [", b"\xff\xfe\x00"])
def test_a_damaged_configuration_is_named(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(DatasetError, match=r"merged_config\.yaml is (not YAML|no text)"):
        recorded_renderer(configured(tmp_path, text))


def test_a_configuration_alone_is_no_evidence(tmp_path: Path) -> None:
    folder = write_split(tmp_path, "training", [make_episode()])
    assert recording_of(open_dataset(tmp_path, "training")).basis == "nothing in the dataset tells"
    for used, word in (("true", "egl"), ("false", "tiny")):
        shutil.rmtree(folder / ".hydra", ignore_errors=True)
        configured(folder, f"env: {{use_egl: {used}}}")
        told = recording_of(open_dataset(tmp_path, "training"))
        assert told.renderer is None
        assert told.basis == f"only .hydra/merged_config.yaml says {word}, and people edit that file"


@pytest.mark.parametrize(
    ("split", "last", "name"),
    [
        ("training", 611_098, "D"),
        ("training", 1_795_044, "ABC"),
        ("training", 2_406_143, "ABCD"),
        ("training", 361_252, "debug"),
        ("validation", 555_241, "debug"),
        ("validation", 420_498, "D, ABC and ABCD"),
    ],
)
def test_downloads_were_drawn_with_egl_whatever_the_file_says(
    split: str, last: int, name: str, tmp_path: Path
) -> None:
    folder = write_split(tmp_path, split, [make_episode(last - 5, 6, scene="unknown", split=split)])
    told = recording_of(open_dataset(tmp_path, split))
    assert (told.renderer, told.scenes) == ("egl", "calvin")
    assert f"CALVIN's {name} download" in told.basis and "although" not in told.basis
    configured(folder, "env: {use_egl: false}")
    told = recording_of(open_dataset(tmp_path, split))
    assert told.renderer == "egl" and "although .hydra/merged_config.yaml says use_egl: false" in told.basis


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A split that Baton's own expert could have written."""
    return write_split(
        tmp_path, "training", [make_episode(0, 4), make_episode(4, 4, 1)], drawn_by="tiny", scenes="baton"
    )


def test_what_baton_drew_it_knows(sealed: Path) -> None:
    told = recording_of(open_dataset(sealed.parent, "training"))
    assert (told.renderer, told.scenes) == ("tiny", "baton")
    configured(sealed, "env: {use_egl: true}")
    assert recording_of(open_dataset(sealed.parent, "training")).renderer == "tiny"


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda text: text.replace("tiny", "egl"), "was changed, or is of other frames"),
        (lambda text: text.replace("baton", "calvin"), "was changed, or is of other frames"),
        (lambda text: text.replace("tiny", "gl"), "was changed, or is of other frames"),
        (lambda text: text[:20], "is damaged"),
        (lambda text: "[]", "is damaged"),
        (lambda text: "{}", "is damaged"),
    ],
)
def test_an_edited_record_is_no_evidence(sealed: Path, damage: Callable[[str], str], sentence: str) -> None:
    record = sealed / RECORD
    record.write_text(damage(record.read_text()))
    split = open_dataset(sealed.parent, "training")
    told = recording_of(split)
    assert told.renderer is None and sentence in told.basis
    problems = examine(split, annotated_frames(split)).problems
    assert len(problems) == 1 and sentence in problems[0] and RECORD in problems[0]


def test_a_record_does_not_follow_other_frames(sealed: Path, tmp_path: Path) -> None:
    other = write_split(tmp_path / "other", "training", [make_episode(0, 4, 7), make_episode(4, 4, 1)])
    shutil.copy(sealed / RECORD, other)
    assert recording_of(open_dataset(tmp_path / "other", "training")).renderer is None


def test_a_key_twice_is_named_and_the_official_readers_rules_hold(tmp_path: Path) -> None:
    (tmp_path / "twice").mkdir()
    twice = configured(tmp_path / "twice", "env:\n  use_egl: true\ncameras: {}\nenv:\n  use_egl: false\n")
    with pytest.raises(DatasetError, match=r"merged_config\.yaml, line 4: the key 'env' is given twice"):
        recorded_renderer(twice)
    (tmp_path / "odd").mkdir()
    odd = configured(
        tmp_path / "odd", "date: 2021-07-08\nport: 012\ntime: 1:30\nnothing: ~\nenv: {use_egl: yes}\n"
    )
    assert recorded_renderer(odd) == "egl"
