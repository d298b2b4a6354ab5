"""The journal of an unfinished file: whatever a kill or a disk leaves of it, the file comes out right."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from hub.files import HubFile
from hub.part import Part

CONTENT = random.Random(3).randbytes(3 << 20)
FILE = HubFile("film.mp4", len(CONTENT), "sha256", hashlib.sha256(CONTENT).hexdigest())


def feed(part: Part, upto: int, wrong: bool = False) -> None:
    part.begin('"x"')
    while part.missing is not None and part.missing[0] < upto:
        at = part.missing[0]
        block = CONTENT[at : min(upto, at + 100_000, part.missing[1])]
        part.write(bytes(len(block)) if wrong else block)


def journal(folder: Path) -> Path:
    return next(folder.glob("*.journal"))


def test_it_goes_on_after_an_orderly_end_at_the_byte(tmp_path: Path) -> None:
    with Part(tmp_path, FILE) as part:
        feed(part, 1_234_567)
    with Part(tmp_path, FILE) as part:
        assert part.missing == (1_234_567, FILE.size)
        assert part.etag == '"x"'
        feed(part, FILE.size)
        assert part.is_right()
        part.take(tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == CONTENT
    assert [file.name for file in tmp_path.iterdir()] == ["film.mp4"]


@pytest.mark.parametrize("lost", range(1, 60, 7))
def test_a_journal_that_was_cut_anywhere_loses_only_what_it_does_not_say(lost: int, tmp_path: Path) -> None:
    with Part(tmp_path, FILE) as part:
        feed(part, 1_500_000, wrong=True)
        feed(part, FILE.size)
        assert not part.is_right() and part.doubt()
        feed(part, 1_400_000)
    whole = journal(tmp_path).read_bytes()
    journal(tmp_path).write_bytes(whole[: -min(lost, len(whole))])
    finish(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"[]\n", b'{"to": 5}\n', b'{"from": 0}\n{"to": 99999999999}\n', b'{"from": -1}\n', b'{"again": 7}\n',
     b'{"agreed": true}\n', b'{"from": true}\n', b"\xff\xfe\n", b"[" * 100_000 + b"\n",
     b'{"from": 0}\n{"to": 3000000}\n'],
)  # fmt: skip
def test_a_journal_of_anything_ends_in_the_right_file(content: bytes, tmp_path: Path) -> None:
    with Part(tmp_path, FILE) as part:
        feed(part, 2_000_000)
    journal(tmp_path).write_bytes(content)
    finish(tmp_path)


def test_bytes_that_the_disk_lost_are_fetched_again(tmp_path: Path) -> None:
    with Part(tmp_path, FILE) as part:
        feed(part, 2_000_000)
    with next(tmp_path.glob("*.part")).open("r+b") as data:
        data.truncate(500_000)
    finish(tmp_path)


def finish(folder: Path) -> None:
    with Part(folder, FILE) as part:
        while True:
            while part.missing is not None:
                feed(part, part.missing[1])
            part.settle()
            if part.is_right():
                break
            assert part.doubt()
        part.take(folder / "film.mp4")
    assert (folder / "film.mp4").read_bytes() == CONTENT


def test_stretches_are_doubted_from_the_last_and_once_each_before_any_twice(tmp_path: Path) -> None:
    with Part(tmp_path, FILE) as part:
        spans = []
        for upto in (1_000_000, 2_000_000, FILE.size):
            feed(part, upto)
        for _ in range(3):
            assert part.doubt()
            assert part.missing is not None
            spans.append(part.missing)
            feed(part, part.missing[1])
            part.settle()
        assert spans == [(2_000_000, FILE.size), (1_000_000, 2_000_000), (0, 1_000_000)]
        assert not part.doubt()
