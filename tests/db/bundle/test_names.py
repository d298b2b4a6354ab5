"""What a bundle may be called, and what is told of files that are none."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from db.bundle.names import need_name, what_it_is
from errors import BundleError, InvalidInput
from settings.home import Home
from tests.db.bundle.conftest import bring_in, take_out
from tests.workshop import Workshop


@pytest.mark.parametrize(
    "name",
    [
        "one.bundle",
        "home.baton",
        "home",
        "home.tar",
        "home.2026-12-01",
        "nightly.v1.2",
        ".hidden",
        "ONE.BUNDLE",
    ],
)
def test_names_that_people_give_are_taken(name: str, tmp_path: Path) -> None:
    need_name(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("home.zip", "home.bundle"),
        ("home.ZIP", "home.bundle"),
        ("home.tar.gz", "home.tar"),
        ("home.tgz", "home.bundle"),
        ("state.db", "state.bundle"),
        ("report.json", "report.bundle"),
        ("model.safetensors", "model.bundle"),
    ],
)
def test_the_suffix_of_another_format_is_refused_with_a_better_name(
    name: str, better: str, idle: Workshop, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=f"name it {better}, for example"):
        take_out(idle.home, tmp_path / name)
    assert not (tmp_path / name).exists()
    need_name(tmp_path / better)


def test_a_bundle_that_was_given_such_a_name_before_is_replaced(idle: Workshop, bundle: Path) -> None:
    old = bundle.rename(bundle.with_suffix(".zip"))
    take_out(idle.home, old)
    assert not what_it_is(old)


def test_a_folder_is_told_to_be_one_with_a_name_in_it(idle: Workshop, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    with pytest.raises(InvalidInput, match=f"is a folder; name the file in it: {folder}/home.bundle"):
        take_out(idle.home, folder)
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_not_there_is_told_with_what_makes_it(idle: Workshop, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=f"is no folder yet; make it first: mkdir -p {tmp_path}/a/b"):
        take_out(idle.home, tmp_path / "a" / "b" / "one.bundle")
    (tmp_path / "a").write_text("mine")
    with pytest.raises(InvalidInput, match=r"a is no folder$"):
        take_out(idle.home, tmp_path / "a" / "one.bundle")


def others(folder: Path, bundle: Path) -> dict[Path, str]:
    """Files and folders that are no bundle, and what is to be said of each."""
    content = bundle.read_bytes()
    (folder / "empty").write_bytes(b"")
    (folder / "packed.gz").write_bytes(gzip.compress(content))
    with zipfile.ZipFile(folder / "packed.zip", "w") as archive:
        archive.write(bundle, "one.bundle")
    (folder / "state").write_bytes(b"SQLite format 3\0" + bytes(4096))
    (folder / "page.bundle").write_text("<!DOCTYPE html><html>")
    (folder / "plain").mkdir()
    (folder / "fleeting.bundle").symlink_to("nowhere")
    return {
        folder / "empty": "it is empty and no bundle",
        folder / "packed.gz": "unpack it with gunzip first",
        folder / "packed.zip": "it is a ZIP file",
        folder / "state": "it is a database",
        folder / "page.bundle": "it is an HTML page",
        folder / "plain": "it is a folder and no bundle",
        folder / "fleeting.bundle": "cannot be read: No such file",
        folder / "absent": "cannot be read: No such file",
    }


def test_what_is_no_bundle_is_called_what_it_is(idle: Workshop, bundle: Path, tmp_path: Path) -> None:
    (folder := tmp_path / "others").mkdir()
    for path, words in others(folder, bundle).items():
        with pytest.raises(BundleError, match=words) as told:
            bring_in(Home(tmp_path / "new"), path)
        assert str(told.value).startswith(f"{path}: "), path
        with pytest.raises(BundleError, match=words):
            take_out(idle.home, tmp_path / "next.bundle", path)
    assert not (tmp_path / "new").exists() and not (tmp_path / "next.bundle").exists()


def test_a_bundle_that_is_not_there_is_told_with_the_one_beside_it(
    idle: Workshop, bundle: Path, tmp_path: Path
) -> None:
    (folder := tmp_path / "beside").mkdir()
    bundle.rename(meant := folder / "one.bundle")
    says = rf"{folder}/one.bundel(: it)? cannot be read: No such file or directory; did you mean {meant}\?$"
    with pytest.raises(BundleError, match=says):
        bring_in(Home(tmp_path / "new"), folder / "one.bundel")
    with pytest.raises(BundleError, match=says):
        take_out(idle.home, tmp_path / "next.bundle", folder / "one.bundel")


def test_a_home_in_place_of_its_bundle_is_told_with_the_command(idle: Workshop, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=f"--home {idle.home.root} bundle export"):
        bring_in(Home(tmp_path / "new"), idle.home.root)
