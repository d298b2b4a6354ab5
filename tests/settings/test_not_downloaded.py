"""What a download or clone left in a file's place is called that, whoever reads the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from calvin.npz import read_arrays
from calvin.pickles import load_npy_pickle
from errors import BatonError, ConfigError
from models.json_files import read_json
from models.weight_files import open_file
from settings.not_downloaded import what_came
from settings.regular import UnfitFile, open_regular, read_bytes, text_of

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGES = [
    b"<!doctype html>\n<html lang=en>",
    b"\xef\xbb\xbf  \r\n<!DOCTYPE HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>",
    b"<html><head><title>Sign in</title>",
    b"<HTML>",
]

READERS: dict[str, Callable[[Path], object]] = {
    "episode_0000001.npz": lambda file: read_arrays(file, {"actions": (7,)}),
    "auto_lang_ann.npy": load_npy_pickle,
    "model.safetensors": open_file,
    "config.json": read_json,
    "mine.yaml": lambda file: text_of(file, ConfigError),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", [POINTER, PAGES[0]], ids=["pointer", "page"])
def test_every_reader_says_so(name: str, content: bytes, tmp_path: Path) -> None:
    (file := tmp_path / name).write_bytes(content)
    with pytest.raises(BatonError) as refused:
        READERS[name](file)
    told = str(refused.value)
    assert str(file) in told and ("git lfs pull" if content is POINTER else "HTML page") in told
    assert "\n" not in told


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_known_by_how_they_begin(page: bytes) -> None:
    assert "HTML page" in str(what_came("weights.bin", page))


@pytest.mark.parametrize("name", ["report.html", "REPORT.HTM", "README.md"])
def test_a_page_that_is_called_one_is_no_failed_download(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(PAGES[0])
    assert read_bytes(tmp_path / name, 100) == PAGES[0]


@pytest.mark.parametrize("content", [b"", b"version 1", b"<htmlish>", b"x <!doctype html>", b"PK\x03\x04"])
def test_other_files_are_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "some").write_bytes(content)
    with open_regular(tmp_path / "some") as file:
        assert file.read() == content


def test_nothing_stays_open(tmp_path: Path) -> None:
    (tmp_path / "some").write_bytes(POINTER)
    with pytest.raises(UnfitFile):
        open_regular(tmp_path / "some")
    left_open = [fd.readlink() for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    assert tmp_path / "some" not in left_open
