"""Demonstrations come through every format as they were, and a conversion goes on where it was broken off."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calvin.conversion import convert as conversion
from calvin.conversion.source import opened_source
from calvin.dataset import open_dataset
from calvin.episode import EXTRAS, Episode
from calvin.lerobot_format.beside import FILE
from calvin.lerobot_format.films import film_frames, film_index
from calvin.split import NOTHING_SAID, TRAINING, VALIDATION, Reading, open_split
from errors import DatasetError, InvalidInput
from settings.files import aside_of
from tests.calvin import lerobot_sets as sets
from tests.calvin.conversion.converting import (
    EXACT,
    assert_same_dataset,
    bytes_of,
    converted,
    dataset,
    target_of,
)
from tests.calvin.dataset_folder import change_frame
from tests.calvin.writing import write_split

LOSSY = ("v3.0 film float32", "v2.1 film float32")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dataset(tmp_path_factory.mktemp("made") / "npz")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "PART", 1)


@pytest.mark.parametrize("form", EXACT)
def test_every_array_comes_back_bit_for_bit(tmp_path: Path, made: Path, form: str) -> None:
    """There, and back to CALVIN's files; with frames' numbers, scenes, splits, boxes, pixels, what drew them and the
    evaluation's instructions."""
    converted(made, tmp_path / "there", form)
    assert_same_dataset(made, tmp_path / "there")
    converted(tmp_path / "there", tmp_path / "back", "calvin")
    assert_same_dataset(made, tmp_path / "back")
    for name in (TRAINING, VALIDATION):
        told = [open_split(root, name).recording() for root in (made, tmp_path / "there", tmp_path / "back")]
        assert [(one.renderer, one.scenes, one.losses) for one in told] == [
            ("egl" if name == TRAINING else None, "calvin" if name == TRAINING else None, None)
        ] * 3
        original, back = open_dataset(made, name), open_dataset(tmp_path / "back", name)
        assert (original.recorded, original.scene_ranges) == (back.recorded, back.scene_ranges)


@pytest.mark.parametrize("form", EXACT)
def test_spaces_around_an_instruction_come_along(tmp_path: Path, form: str) -> None:
    shown = sets.recorded(1, instruction="  pull the drawer ", scene="A")
    write_split(tmp_path / "npz", TRAINING, [shown])
    list(converted(tmp_path / "npz", tmp_path / "out", form))
    split = open_split(tmp_path / "out", TRAINING)
    assert {one.instruction for one in split.demonstrations} == {"  pull the drawer "}


def test_of_one_version_into_the_other(tmp_path: Path, made: Path) -> None:
    converted(made, tmp_path / "v3", "v3.0 png float64")
    converted(tmp_path / "v3", tmp_path / "v2", "v2.1 png float64")
    converted(tmp_path / "v2", tmp_path / "again", "v3.0 png float64")
    assert_same_dataset(made, tmp_path / "v2")
    assert_same_dataset(made, tmp_path / "again")


@pytest.mark.parametrize("form", ["v3.0 png float32", "v2.1 png float32"])
def test_float32_is_each_number_rounded_once(tmp_path: Path, made: Path, form: str) -> None:
    converted(made, tmp_path / "set", form)
    assert_same_dataset(made, tmp_path / "set", but=("robot_obs", "scene_obs", "actions", "rel_actions"))
    split, rounded = open_split(made, TRAINING), open_split(tmp_path / "set", TRAINING)
    exact, read = split.read(split.demonstrations[0]), rounded.read(rounded.demonstrations[0])
    np.testing.assert_array_equal(read.scene_obs, exact.scene_obs.astype(np.float32))
    assert (read.scene_obs != exact.scene_obs).any()


@pytest.mark.parametrize("form", LOSSY)
def test_every_frame_of_a_film_is_the_one_of_its_number(tmp_path: Path, made: Path, form: str) -> None:
    converted(made, tmp_path / "set", form)
    originals = {
        field: np.concatenate([getattr(e, field) for e in _episodes(made)]).astype(np.int16)
        for field in ("rgb_static", "rgb_gripper")
    }
    for field, wanted in originals.items():
        found = np.concatenate([getattr(e, field) for e in _episodes(tmp_path / "set")])
        assert len(found) == len(wanted)
        for place, picture in enumerate(found):
            apart = np.abs(wanted - picture.astype(np.int16)).mean(axis=(1, 2, 3))
            assert int(np.argmin(apart)) == place
    films = sorted((tmp_path / "set").rglob("*.mp4"))
    for film in films:
        shape = (200, 200, 3) if "top" in str(film) else (84, 84, 3)
        index = film_index(film, shape)
        assert index.codec == "av1" and index.pixels == "yuv420p"
        in_order = film_frames(film, shape, 0, len(index))
        for number in np.random.RandomState(0).permutation(len(index)).tolist():
            np.testing.assert_array_equal(film_frames(film, shape, number, number + 1)[0], in_order[number])
    losses = open_split(tmp_path / "set", TRAINING).recording().losses
    assert losses == "av1 yuv420p"
    converted(tmp_path / "set", tmp_path / "back", "calvin")
    told = open_split(tmp_path / "back", TRAINING).recording()
    assert (told.losses, told.renderer) == ("av1 yuv420p", "egl")
    assert open_split(tmp_path / "back", VALIDATION).recording().losses == "av1 yuv420p"


def _episodes(root: Path) -> list[Episode]:
    return [
        split.read(d)
        for split in (open_split(root, name) for name in (TRAINING, VALIDATION))
        for d in split.demonstrations
    ]


def test_what_drew_the_pictures_is_believed_of_these_alone(tmp_path: Path, made: Path) -> None:
    converted(made, tmp_path / "set", "v3.0 png float64")
    file = tmp_path / "set" / FILE
    file.write_text(file.read_text().replace('"egl"', '"tiny"'))
    assert open_split(tmp_path / "set", TRAINING).recording().renderer is None
    file.write_text("{")
    with pytest.raises(DatasetError, match=r"calvin\.json is damaged"):
        open_split(tmp_path / "set", TRAINING).recording()


def test_demonstrations_that_share_frames(tmp_path: Path) -> None:
    """As in CALVIN's downloads: annotations overlap, and most frames have none."""
    root = tmp_path / "npz"
    write_split(root, TRAINING, [replace(sets.recorded(1, 20), start=50, end=69)])
    path = root / TRAINING / "lang_annotations" / "auto_lang_ann.npy"
    content = np.load(path, allow_pickle=True).item()
    content["language"]["ann"] *= 3
    content["language"]["task"] *= 3
    content["language"]["emb"] = np.ones((3, 1, 384), np.float32)
    content["info"]["indx"] = [(51, 60), (55, 64), (66, 67)]
    np.save(path, content, allow_pickle=True)
    source = opened_source(root, NOTHING_SAID, False)
    assert source.left_out == (
        "training: 4 recorded frames that no demonstration covers", "training: sentence embeddings",
    )  # fmt: skip
    for form in EXACT:
        place = tmp_path / form
        converted(root, place, form)
        converted(place, tmp_path / "back", "calvin")
        for there in (place, tmp_path / "back"):
            one, other = open_split(root, TRAINING), open_split(there, TRAINING)
            assert one.demonstrations == other.demonstrations
            for d in one.demonstrations:
                for frame in range(d.start, d.end + 1):
                    for field, array in one.read_frame(frame).items():
                        np.testing.assert_array_equal(array, other.read_frame(frame)[field])
        assert open_dataset(tmp_path / "back", TRAINING).recorded == ((51, 64), (66, 67))
        shutil.rmtree(tmp_path / "back")
    converted(
        root, tmp_path / "film", "v3.0 film float32"
    )  # a frame has two pictures: each demonstration has its own
    converted(tmp_path / "film", tmp_path / "unpacked", "calvin")
    starts = [(d.start, d.end) for d in open_split(tmp_path / "unpacked", TRAINING).demonstrations]
    assert starts == [(0, 9), (10, 19), (20, 21)]


def test_scenes_that_come_again_are_numbered_one_after_the_other(tmp_path: Path, made: Path) -> None:
    converted(made, tmp_path / "set", "v2.1 png float64")
    file = tmp_path / "set" / "meta" / "episodes.jsonl"
    text = file.read_text().replace('"scene": "A"', '"scene": "C"', 1).replace('"scene": "B"', '"scene": "C"')
    file.write_text(text)
    converted(tmp_path / "set", tmp_path / "back", "calvin")
    found = open_split(tmp_path / "back", TRAINING).demonstrations
    assert [d.scene for d in found] == ["C", "A", "C"]
    assert [d.start for d in found] == [6, 0, 11]


def test_depth_and_tactile_pictures_come_along_where_they_are_asked_for(tmp_path: Path) -> None:
    root = dataset(tmp_path / "npz", training=1)
    random = np.random.RandomState(0)
    for name in (TRAINING, VALIDATION):
        split = open_dataset(root, name)
        for frame in range(split.demonstrations[0].start, split.demonstrations[0].end + 1):
            more = {n: (random.rand(*e.shape) * 200).astype(e.dtype) for n, e in EXTRAS.items()}
            change_frame(root / name, frame, **more, unheard_of=np.zeros(2))
    told = opened_source(root, NOTHING_SAID, False).left_out
    names = "depth_gripper, depth_static, depth_tactile, rgb_tactile"
    assert told == (
        f"4 more arrays of each frame: {names} (--all keeps them)",
        "1 more arrays of each frame: unheard_of",
    )
    for form in EXACT[::2]:
        converted(root, tmp_path / form, form, everything=True)
        converted(tmp_path / form, tmp_path / f"{form} back", "calvin", everything=True)
        there, back = open_dataset(root, TRAINING), open_dataset(tmp_path / f"{form} back", TRAINING)
        one = there.read_extras(there.demonstrations[0], tuple(EXTRAS))
        other = back.read_extras(back.demonstrations[0], tuple(EXTRAS))
        for name, extra in EXTRAS.items():
            assert other[name].dtype == extra.dtype
            np.testing.assert_array_equal(one[name], other[name])
    change_frame(root / TRAINING, 102, depth_static=np.zeros((200, 200)))
    with pytest.raises(
        DatasetError, match=r"episode_0000102\.npz: depth_static is float64 of shape \(200, 200\), not"
    ):
        converted(root, tmp_path / "out", "calvin", everything=True)


def test_what_a_set_lacks_is_not_made_up(tmp_path: Path) -> None:
    root = sets.write_v3(tmp_path / "set", sets.episodes(2))
    none = Reading(validation_episodes="none")
    converted(root, tmp_path / "v2", "v2.1 png float32", none)
    split = open_split(tmp_path / "v2", TRAINING, none)
    read = split.read(split.demonstrations[0])
    assert read.scene_obs is None and read.actions is None and read.boxes is None
    with pytest.raises(InvalidInput, match="has no scene_obs, which CALVIN's layout has of each frame"):
        converted(root, tmp_path / "npz", "calvin", none)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "v2"]


@pytest.mark.parametrize("form", [*EXACT, *LOSSY])
def test_broken_off_it_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, made: Path, small_parts: None, form: str
) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    assert [part.was_there for part in converted(made, whole, form)] == [False] * 4
    for finished in (1, 3):
        source = opened_source(made, NOTHING_SAID, False)
        parts = conversion.convert(source, target_of(source, form), parted)
        for _ in range(finished):
            next(parts)
        parts.close()
        assert not parted.exists()
    assert [part.was_there for part in converted(made, parted, form)] == [True, True, True, False]
    assert bytes_of(parted) == bytes_of(whole)
    assert [part.was_there for part in converted(made, parted, form)] == [True] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parted", "whole"]


@pytest.mark.parametrize("form", ["calvin", "v3.0 png float64", "v2.1 png float64"])
@pytest.mark.parametrize("cut", [True, False], ids=["cut", "missing"])
def test_a_file_that_was_cut_aside_is_written_anew(
    tmp_path: Path, made: Path, small_parts: None, form: str, cut: bool
) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    list(converted(made, whole, form))
    source = opened_source(made, NOTHING_SAID, False)
    parts = conversion.convert(source, target_of(source, form), parted)
    next(parts), next(parts)
    parts.close()
    written = sorted(p for p in (aside_of(parted) / "set").rglob("*") if p.suffix in (".npz", ".parquet"))
    if cut:
        os.truncate(written[0], written[0].stat().st_size // 2)
    else:
        written[0].unlink()
    assert [part.was_there for part in converted(made, parted, form)] == [False, True, False, False]
    assert bytes_of(parted) == bytes_of(whole)


def test_a_file_that_is_cut_while_others_are_written_is_told(
    tmp_path: Path, made: Path, small_parts: None
) -> None:
    out = tmp_path / "out"
    source = opened_source(made, NOTHING_SAID, False)
    parts = conversion.convert(source, target_of(source, "v2.1 png float64"), out)
    next(parts)
    first = min((aside_of(out) / "set").rglob("*.parquet"))
    os.truncate(first, 100)
    with pytest.raises(
        InvalidInput, match="changed while it was written; the same command writes those anew"
    ):
        list(parts)
    assert not out.exists()
    assert [part.was_there for part in converted(made, out, "v2.1 png float64")][:2] == [False, True]


def test_another_conversion_is_not_gone_on_with(tmp_path: Path, made: Path, small_parts: None) -> None:
    out, aside = tmp_path / "out", aside_of(tmp_path / "out")
    source = opened_source(made, NOTHING_SAID, False)
    parts = conversion.convert(source, target_of(source, "calvin"), out)
    next(parts)
    with pytest.raises(InvalidInput, match=r"another command writes .*out"):
        converted(made, out, "calvin")
    parts.close()
    before = bytes_of(aside)
    with pytest.raises(
        InvalidInput, match=r"\.partial\.out holds part of a conversion of other data, or in another form"
    ):
        converted(made, out, "v3.0 png float64")
    other = dataset(tmp_path / "other", boxes=None, pixels=None)
    with pytest.raises(
        InvalidInput, match=r"\.partial\.out holds part of a conversion of other data: they changed"
    ):
        converted(other, out, "calvin")
    assert bytes_of(aside) == before
    (aside / "parts" / "0.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"parts.0\.json is damaged; remove .*\.partial\.out"):
        converted(made, out, "calvin")


def test_a_folder_of_something_else_is_left_as_it_is(tmp_path: Path, made: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    converted(made, out, "calvin")  # an empty one is taken
    before = bytes_of(out)
    with pytest.raises(InvalidInput, match="out already has content, and is not this conversion"):
        converted(made, out, "v2.1 png float64")
    (out / conversion.MARK).unlink()
    with pytest.raises(InvalidInput, match="out already has content"):
        converted(made, out, "calvin")
    assert bytes_of(out) == {name: digest for name, digest in before.items() if name != conversion.MARK}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize("form", EXACT)
def test_a_damaged_frame_changes_nothing(tmp_path: Path, form: str) -> None:
    root = dataset(tmp_path / "npz")
    source = opened_source(root, NOTHING_SAID, False)
    (root / TRAINING / "episode_0000122.npz").write_bytes(b"no archive")
    with pytest.raises(DatasetError, match=r"episode_0000122\.npz is damaged"):
        list(conversion.convert(source, target_of(source, form), tmp_path / "out"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["npz"]


def test_one_split_alone(tmp_path: Path, made: Path) -> None:
    shutil.copytree(made / VALIDATION, tmp_path / "npz" / VALIDATION)
    for form in EXACT:
        converted(tmp_path / "npz", tmp_path / form, form)
        converted(tmp_path / form, tmp_path / f"{form} back", "calvin")
        assert [path.name for path in (tmp_path / f"{form} back").iterdir() if path.is_dir()] == [VALIDATION]
