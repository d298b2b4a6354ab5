"""Sets that end before their annotations do, and annotations in folders of other names."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from calvin.check import examine
from calvin.dataset import open_dataset, survey
from calvin.split import annotated_frames, left_out
from errors import DatasetError
from tests.calvin.dataset_folder import change_annotations, open_folder
from tests.calvin.dataset_folder import folder as folder
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split


def remove(folder: Path, *frames: int) -> None:
    for frame in frames:
        (folder / f"episode_{frame:07d}.npz").unlink()


def test_a_set_without_its_last_frames_is_used_as_far_as_it_goes(folder: Path) -> None:
    whole = open_folder(folder)
    remove(folder, 106, 107)
    split = open_folder(folder)
    assert [(one.start, one.index) for one in split.demonstrations] == [(100, 0)]
    assert split.fingerprint(split.demonstrations[0]) == whole.fingerprint(whole.demonstrations[0])
    (told,) = left_out(split)
    assert "1 of 2 demonstrations" in told and "after 105" in told
    found = examine(split, annotated_frames(split))
    assert found.problems == () and found.notes[0] == f"left out: {told}"
    assert left_out(whole) == ()


def test_annotations_that_stay_are_renumbered_with_their_embeddings(folder: Path) -> None:
    change_annotations(
        folder,
        lambda content: (
            content["info"].update(indx=[(104, 107), (100, 103)]),
            content["language"].update(emb=np.array([[[1.0, 1.0]], [[2.0, 2.0]]], dtype=np.float32)),
        ),
    )
    remove(folder, 107)
    split = open_folder(folder)
    assert [(one.start, one.index) for one in split.demonstrations] == [(100, 0)]
    embeddings = split.embeddings()
    assert embeddings is not None and embeddings.tolist() == [[[2.0, 2.0]]]


def test_a_gap_before_the_last_frame_stays_a_fault(folder: Path) -> None:
    remove(folder, 102, 107)
    split = open_folder(folder)
    with pytest.raises(DatasetError, match="there is a gap at frame 102"):
        split.read(split.demonstrations[0])


def test_a_set_of_which_nothing_would_be_left_keeps_its_fault(folder: Path) -> None:
    remove(folder, *range(102, 108))
    split = open_folder(folder)
    assert left_out(split) == ()
    with pytest.raises(DatasetError, match="there is a gap at frame 102"):
        split.read(split.demonstrations[0])


@pytest.mark.parametrize("name", ["lang_paraphrase-MiniLM-L3-v2", "lang_all"])
def test_annotations_lie_in_another_language_folder(folder: Path, name: str) -> None:
    (folder / "lang_annotations").rename(folder / name)
    split = open_folder(folder)
    assert len(split.demonstrations) == 2
    notes = examine(split, annotated_frames(split)).notes
    assert f"auto_lang_ann.npy is read from {name}/, as there is none in lang_annotations/" in notes


def test_instructions_of_validation_lie_in_another_language_folder(tmp_path: Path) -> None:
    folder = write_split(tmp_path, "validation", [make_episode(100, 4, split="validation")])
    file = folder / "lang_annotations" / "embeddings.npy"
    content = np.empty((), dtype=object)
    content[()] = {"open_drawer": {"ann": ["pull it open"]}}
    np.save(file, content, allow_pickle=True)
    (folder / "lang_annotations").rename(folder / "lang_other")
    assert open_dataset(tmp_path, "validation").validation_instructions == {"open_drawer": "pull it open"}


def test_the_usual_folder_wins_and_two_others_are_refused(folder: Path) -> None:
    shutil.copytree(folder / "lang_annotations", folder / "lang_b")
    shutil.copytree(folder / "lang_annotations", folder / "lang_a")
    assert len(open_folder(folder).demonstrations) == 2
    shutil.rmtree(folder / "lang_annotations")
    with pytest.raises(
        DatasetError, match=r"auto_lang_ann\.npy in lang_a, lang_b; call the folder that is meant"
    ):
        open_folder(folder)
    opened, faults = survey(folder.parent, "training")
    assert opened.demonstrations == () and len(faults) == 1
