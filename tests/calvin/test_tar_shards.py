"""CALVIN's frames in tar shards are those of the folders that they were packed from."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from calvin.split import TRAINING, VALIDATION, known_format, open_split, survey_split
from errors import DatasetError
from tests.calvin.samples import assert_same_episode, make_episode
from tests.calvin.writing import write_split


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    root = tmp_path / "folders"
    write_split(root, TRAINING, [make_episode(100), make_episode(200, seed=1)])
    write_split(root, VALIDATION, [make_episode(100, seed=2, split=VALIDATION)])
    return root


def packed(folders: Path, root: Path, form: str) -> Path:
    """form: `named` (training_episode_*.npz in the root), `folder` (training/episode_*.npz), or `beside` (in
    training/)."""
    for name in (TRAINING, VALIDATION):
        shutil.copytree(folders / name, root / name, ignore=shutil.ignore_patterns("episode_*.npz"))
        frames = sorted((folders / name).glob("episode_*.npz"))
        for part in range(2):
            where = root / name if form == "beside" else root
            with tarfile.open(where / f"{name}-{part:06d}.tar", "w") as shard:
                for frame in frames[part::2]:
                    written = {"named": f"{name}_{frame.name}", "folder": f"{name}/{frame.name}"}
                    shard.add(frame, written.get(form, frame.name))
    return root


@pytest.mark.parametrize("form", ["named", "folder", "beside"])
def test_shards_give_what_was_packed(folders: Path, tmp_path: Path, form: str) -> None:
    root = packed(folders, tmp_path / "shards", form)
    assert (known_format(folders), known_format(root)) == ("calvin", "calvin in tar shards")
    for name in (TRAINING, VALIDATION):
        plain, sharded = open_split(folders, name), open_split(root, name)
        assert sharded.demonstrations == plain.demonstrations
        for demonstration in plain.demonstrations:
            assert_same_episode(sharded.read(demonstration), plain.read(demonstration))
            assert sharded.fingerprint(demonstration) == plain.fingerprint(demonstration)
        frames = range(100, 106)
        assert sharded.examine(frames).problems == plain.examine(frames).problems


def test_a_frame_that_no_shard_has_is_a_gap(folders: Path, tmp_path: Path) -> None:
    (folders / TRAINING / "episode_0000103.npz").unlink()
    root = packed(folders, tmp_path / "shards", "named")
    split = open_split(root, TRAINING)
    with pytest.raises(
        DatasetError, match=r"episode_0000103\.npz is in no shard: there is a gap at frame 103"
    ):
        split.read(split.demonstrations[0])


def test_a_frame_in_two_shards_is_refused(folders: Path, tmp_path: Path) -> None:
    root = packed(folders, tmp_path / "shards", "named")
    shutil.copy(root / "training-000000.tar", root / "training-000009.tar")
    with pytest.raises(DatasetError, match=r"training-000009\.tar: frame 100 is in training-000000\.tar too"):
        open_split(root, TRAINING)


@pytest.mark.parametrize("kept", [700, 5000])
def test_a_shard_that_is_cut_short_is_told(folders: Path, tmp_path: Path, kept: int) -> None:
    root = packed(folders, tmp_path / "shards", "named")
    shard = root / "training-000001.tar"
    shard.write_bytes(shard.read_bytes()[:kept])
    with pytest.raises(DatasetError, match=r"training-000001\.tar is cut short"):
        open_split(root, TRAINING)


def test_what_is_no_tar_is_told(folders: Path, tmp_path: Path) -> None:
    root = packed(folders, tmp_path / "shards", "named")
    (root / "training-000001.tar").write_bytes(b"x" * 2048)
    with pytest.raises(DatasetError, match=r"training-000001\.tar is no tar file, or damaged"):
        survey_split(root, TRAINING)
